// SPDX-License-Identifier: GPL-2.0-only
/*
 * The generic netlink family, asked politely and rudely: every attribute of
 * every operation absent, too short, too long, of the wrong type and unknown;
 * readers without privilege; events; the nudge; dumps while devices come and go.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/trivio.h>

#include "harness.h"
#include "vhost.h"

#define OK(call) do {							\
	int ok_ = (call);						\
	ASSERT_EQ(0, ok_) TH_LOG("%s: %s", #call, vh_why());		\
} while (0)

#define NOBODY	65534

/* A connection, and what the last exchange gave. */
struct conn {
	int fd;
	uint16_t family;
	uint32_t group;
	uint32_t seq;
	unsigned int msgs;	/* data messages */
	unsigned int addrs;	/* address attributes in them */
	unsigned int pointers;	/* values that look like kernel addresses */
	char buf[65536];
};

/* A message under construction; room for attributes that are too long. */
struct msg {
	union {
		struct nlmsghdr nlh;
		char raw[8192];
	};
};

static void begin(struct conn *c, struct msg *m, uint16_t type, uint8_t cmd,
		  uint16_t flags)
{
	struct genlmsghdr *g;

	memset(m, 0, sizeof(*m));
	m->nlh.nlmsg_len = NLMSG_HDRLEN + GENL_HDRLEN;
	m->nlh.nlmsg_type = type;
	m->nlh.nlmsg_flags = NLM_F_REQUEST | flags;
	m->nlh.nlmsg_seq = ++c->seq;
	g = NLMSG_DATA(&m->nlh);
	g->cmd = cmd;
	g->version = 1;
}

static void attr(struct msg *m, uint16_t type, const void *data, size_t len)
{
	struct nlattr *a = (void *)(m->raw + NLMSG_ALIGN(m->nlh.nlmsg_len));

	a->nla_type = type;
	a->nla_len = NLA_HDRLEN + len;
	if (len)
		memcpy((char *)a + NLA_HDRLEN, data, len);
	m->nlh.nlmsg_len = NLMSG_ALIGN(m->nlh.nlmsg_len) + NLA_ALIGN(a->nla_len);
}

static void attr_u32(struct msg *m, uint16_t type, uint32_t v)
{
	attr(m, type, &v, sizeof(v));
}

static void look_at_u64(struct conn *c, const struct nlattr *a)
{
	uint64_t v;

	if (mnl_attr_get_payload_len(a) != 8)
		return;
	v = mnl_attr_get_u64(a);
	/* The upper half of the address space is the kernel's. */
	c->pointers += v >> 47 == 0x1ffff;
}

static void look_at(struct conn *c, const struct nlmsghdr *nlh)
{
	const struct genlmsghdr *g = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *a, *b;

	c->msgs++;
	mnl_attr_for_each(a, nlh, GENL_HDRLEN) {
		look_at_u64(c, a);
		if (g->cmd != TRIVIO_CMD_QUEUE_GET &&
		    g->cmd != TRIVIO_CMD_ERROR_NTF)
			continue;
		switch (mnl_attr_get_type(a)) {
		case TRIVIO_A_QUEUE_DESC_ADDR:
		case TRIVIO_A_QUEUE_DRIVER_ADDR:
		case TRIVIO_A_QUEUE_DEVICE_ADDR:
			c->addrs++;
			break;
		case TRIVIO_A_QUEUE_ERROR:
			mnl_attr_for_each_nested(b, a)
				c->addrs += mnl_attr_get_type(b) ==
					    TRIVIO_A_ERROR_ADDR;
			break;
		case TRIVIO_A_QUEUE_STATS:
			mnl_attr_for_each_nested(b, a)
				look_at_u64(c, b);
			break;
		}
	}
}

/* Sends, and reads what comes. 0, a negative errno, or -ETIME for silence. */
static int exchange(struct conn *c, struct msg *m)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	const struct nlmsghdr *nlh;
	int len, err = 0;

	c->msgs = 0;
	c->addrs = 0;
	c->pointers = 0;
	if (send(c->fd, m, m->nlh.nlmsg_len, 0) < 0)
		return -errno;
	for (;;) {
		if (poll(&p, 1, 5000) != 1)
			return -ETIME;
		len = recv(c->fd, c->buf, sizeof(c->buf), 0);
		if (len < 0)
			return -errno;
		for (nlh = (void *)c->buf; mnl_nlmsg_ok(nlh, len);
		     nlh = mnl_nlmsg_next(nlh, &len)) {
			if (nlh->nlmsg_seq != m->nlh.nlmsg_seq)
				continue;
			if (nlh->nlmsg_type == NLMSG_ERROR)
				return *(int *)NLMSG_DATA(nlh);
			if (nlh->nlmsg_type == NLMSG_DONE) {
				if (mnl_nlmsg_get_payload_len(nlh) >= 4)
					err = *(int *)NLMSG_DATA(nlh);
				return err;
			}
			look_at(c, nlh);
			if (!(nlh->nlmsg_flags & NLM_F_MULTI) &&
			    !(m->nlh.nlmsg_flags & NLM_F_ACK))
				return 0;
		}
	}
}

static void family_parse(struct conn *c, const struct nlmsghdr *nlh)
{
	const struct nlattr *a, *g, *b;

	mnl_attr_for_each(a, nlh, GENL_HDRLEN) {
		if (mnl_attr_get_type(a) == CTRL_ATTR_FAMILY_ID)
			c->family = mnl_attr_get_u16(a);
		if (mnl_attr_get_type(a) != CTRL_ATTR_MCAST_GROUPS)
			continue;
		mnl_attr_for_each_nested(g, a) {
			mnl_attr_for_each_nested(b, g) {
				if (mnl_attr_get_type(b) == CTRL_ATTR_MCAST_GRP_ID)
					c->group = mnl_attr_get_u32(b);
			}
		}
	}
}

static int conn_open(struct conn *c)
{
	struct sockaddr_nl sa = { .nl_family = AF_NETLINK };
	int one = 1, err;
	struct msg m;

	memset(c, 0, sizeof(*c));
	c->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	if (c->fd < 0 || bind(c->fd, (void *)&sa, sizeof(sa)))
		return -errno;
	setsockopt(c->fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one,
		   sizeof(one));
	begin(c, &m, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0);
	attr(&m, CTRL_ATTR_FAMILY_NAME, "trivio", 7);
	err = exchange(c, &m);
	if (!err)
		family_parse(c, (void *)c->buf);
	return err;
}

FIXTURE(nl) {
	struct conn c;
	struct vh_dev d;
	struct vh_tap t;
	uint32_t id;
};

static uint32_t newest_id(struct conn *c)
{
	const struct nlmsghdr *nlh;
	const struct nlattr *a;
	uint32_t id = ~0u;
	struct msg m;
	int len;

	begin(c, &m, c->family, TRIVIO_CMD_DEV_GET, NLM_F_DUMP);
	if (send(c->fd, &m, m.nlh.nlmsg_len, 0) < 0)
		return id;
	for (;;) {
		len = recv(c->fd, c->buf, sizeof(c->buf), 0);
		for (nlh = (void *)c->buf; mnl_nlmsg_ok(nlh, len);
		     nlh = mnl_nlmsg_next(nlh, &len)) {
			if (nlh->nlmsg_type != c->family)
				return id;
			mnl_attr_for_each(a, nlh, GENL_HDRLEN) {
				if (mnl_attr_get_type(a) == TRIVIO_A_DEV_ID)
					id = mnl_attr_get_u32(a);
			}
		}
	}
}

FIXTURE_SETUP(nl)
{
	struct vh_opts o = { .features = VH_USUAL, .size = 64 };
	int err;

	self->d.fd = -1;
	self->t.fd = self->t.sock = -1;
	err = conn_open(&self->c);
	if (err == -ENOENT)
		SKIP(return, "trivio is not loaded");
	ASSERT_EQ(0, err);
	OK(vh_open(&self->d, &o));
	OK(vh_tap_open(&self->t, 0, self->d.hdr_len));
	OK(vh_start(&self->d, self->t.fd));
	self->id = newest_id(&self->c);
	ASSERT_NE(~0u, self->id);
}

FIXTURE_TEARDOWN(nl)
{
	if (self->d.fd >= 0)
		vh_close(&self->d);
	vh_tap_close(&self->t);
	close(self->c.fd);
}

static int queue_get(struct conn *c, uint32_t id, uint32_t index)
{
	struct msg m;

	begin(c, &m, c->family, TRIVIO_CMD_QUEUE_GET, 0);
	attr_u32(&m, TRIVIO_A_QUEUE_DEV, id);
	attr_u32(&m, TRIVIO_A_QUEUE_INDEX, index);
	return exchange(c, &m);
}

static int nudge(struct conn *c, uint32_t id, uint32_t index, uint32_t what)
{
	struct msg m;

	begin(c, &m, c->family, TRIVIO_CMD_NUDGE, NLM_F_ACK);
	attr_u32(&m, TRIVIO_A_QUEUE_DEV, id);
	attr_u32(&m, TRIVIO_A_QUEUE_INDEX, index);
	attr_u32(&m, TRIVIO_A_QUEUE_NUDGE, what);
	return exchange(c, &m);
}

TEST_F(nl, get)
{
	struct msg m;

	begin(&self->c, &m, self->c.family, TRIVIO_CMD_DEV_GET, 0);
	attr_u32(&m, TRIVIO_A_DEV_ID, self->id);
	EXPECT_EQ(0, exchange(&self->c, &m));
	EXPECT_EQ(1, self->c.msgs);

	EXPECT_EQ(0, queue_get(&self->c, self->id, 1));
	EXPECT_EQ(1, self->c.msgs);
	EXPECT_EQ(3, self->c.addrs);
	EXPECT_EQ(0, self->c.pointers);

	EXPECT_EQ(-ENOENT, queue_get(&self->c, self->id, 2));
	EXPECT_EQ(-ENOENT, queue_get(&self->c, self->id, ~0u));
	EXPECT_EQ(-ENODEV, queue_get(&self->c, ~0u, 0));
}

TEST_F(nl, both_names_must_fit)
{
	struct msg m;

	begin(&self->c, &m, self->c.family, TRIVIO_CMD_DEV_GET, 0);
	attr_u32(&m, TRIVIO_A_DEV_ID, self->id);
	attr(&m, TRIVIO_A_DEV_NAME, "no-such-name", 13);
	EXPECT_EQ(-ENODEV, exchange(&self->c, &m));
}

TEST_F(nl, dump_of_one_device)
{
	struct msg m;

	begin(&self->c, &m, self->c.family, TRIVIO_CMD_QUEUE_GET, NLM_F_DUMP);
	attr_u32(&m, TRIVIO_A_QUEUE_DEV, self->id);
	EXPECT_EQ(0, exchange(&self->c, &m));
	EXPECT_EQ(2, self->c.msgs);

	begin(&self->c, &m, self->c.family, TRIVIO_CMD_QUEUE_GET, NLM_F_DUMP);
	attr_u32(&m, TRIVIO_A_QUEUE_DEV, ~0u);
	EXPECT_EQ(-ENODEV, exchange(&self->c, &m));
	EXPECT_EQ(0, self->c.msgs);
}

/* An attribute that an operation takes, and how. */
struct known {
	uint8_t cmd;
	bool dump;
	uint16_t type;
	bool string;
};

static const struct known known[] = {
	{ TRIVIO_CMD_DEV_GET, false, TRIVIO_A_DEV_ID, false },
	{ TRIVIO_CMD_DEV_GET, false, TRIVIO_A_DEV_NAME, true },
	{ TRIVIO_CMD_QUEUE_GET, false, TRIVIO_A_QUEUE_DEV, false },
	{ TRIVIO_CMD_QUEUE_GET, false, TRIVIO_A_QUEUE_DEV_NAME, true },
	{ TRIVIO_CMD_QUEUE_GET, false, TRIVIO_A_QUEUE_INDEX, false },
	{ TRIVIO_CMD_QUEUE_GET, true, TRIVIO_A_QUEUE_DEV, false },
	{ TRIVIO_CMD_QUEUE_GET, true, TRIVIO_A_QUEUE_DEV_NAME, true },
	{ TRIVIO_CMD_NUDGE, false, TRIVIO_A_QUEUE_DEV, false },
	{ TRIVIO_CMD_NUDGE, false, TRIVIO_A_QUEUE_DEV_NAME, true },
	{ TRIVIO_CMD_NUDGE, false, TRIVIO_A_QUEUE_INDEX, false },
	{ TRIVIO_CMD_NUDGE, false, TRIVIO_A_QUEUE_NUDGE, false },
	{ TRIVIO_CMD_CHECK_GET, true, TRIVIO_A_CHECK_DEV, false },
	{ TRIVIO_CMD_CHECK_GET, true, TRIVIO_A_CHECK_DEV_NAME, true },
	{ TRIVIO_CMD_CHECK_SET, false, TRIVIO_A_CHECK_DEV, false },
	{ TRIVIO_CMD_CHECK_SET, false, TRIVIO_A_CHECK_DEV_NAME, true },
	{ TRIVIO_CMD_CHECK_SET, false, TRIVIO_A_CHECK_MODE, false },
};

/* I17: a wrong size of an attribute that is known is an error, whatever else. */
TEST_F_TIMEOUT(nl, wrong_sizes, 120)
{
	static const size_t sizes[] = { 0, 1, 2, 3, 5, 7, 8, 32, 255, 4096 };
	static char junk[4096];
	struct msg m;
	size_t i, j;

	memset(junk, 'a', sizeof(junk));
	for (i = 0; i < ARRAY_SIZE(known); i++) {
		for (j = 0; j < ARRAY_SIZE(sizes); j++) {
			begin(&self->c, &m, self->c.family, known[i].cmd,
			      known[i].dump ? NLM_F_DUMP : 0);
			/* No zero at the end, or too long: no name either. */
			attr(&m, known[i].type, junk, sizes[j]);
			EXPECT_GT(0, exchange(&self->c, &m)) {
				TH_LOG("command %u attribute %u size %zu",
				       known[i].cmd, known[i].type, sizes[j]);
			}
			EXPECT_EQ(0, self->c.msgs);
		}
	}
	EXPECT_EQ(0, queue_get(&self->c, self->id, 0));
}

/* I17: attributes that an operation does not take, and types beyond the last. */
TEST_F(nl, unknown_attributes)
{
	static const uint8_t cmd[] = { TRIVIO_CMD_DEV_GET,
				       TRIVIO_CMD_QUEUE_GET,
				       TRIVIO_CMD_NUDGE,
				       TRIVIO_CMD_CHECK_GET,
				       TRIVIO_CMD_CHECK_SET };
	uint16_t type;
	struct msg m;
	int dump;
	size_t i, k;

	for (i = 0; i < ARRAY_SIZE(cmd); i++) {
		for (dump = 0; dump <= (cmd[i] != TRIVIO_CMD_NUDGE); dump++) {
			for (type = 0; type < 40; type++) {
				bool takes = false;

				for (k = 0; k < ARRAY_SIZE(known); k++)
					takes |= known[k].cmd == cmd[i] &&
						 known[k].dump == dump &&
						 known[k].type == type;
				if (takes)
					continue;
				begin(&self->c, &m, self->c.family, cmd[i],
				      dump ? NLM_F_DUMP : NLM_F_ACK);
				attr_u32(&m, type, 1);
				EXPECT_GT(0, exchange(&self->c, &m)) {
					TH_LOG("command %u dump %d attribute %u",
					       cmd[i], dump, type);
				}
			}
		}
	}
}

TEST_F(nl, missing_attributes)
{
	struct msg m;

	begin(&self->c, &m, self->c.family, TRIVIO_CMD_DEV_GET, 0);
	EXPECT_EQ(-EINVAL, exchange(&self->c, &m));
	begin(&self->c, &m, self->c.family, TRIVIO_CMD_QUEUE_GET, 0);
	attr_u32(&m, TRIVIO_A_QUEUE_DEV, self->id);
	EXPECT_EQ(-EINVAL, exchange(&self->c, &m));
	begin(&self->c, &m, self->c.family, TRIVIO_CMD_QUEUE_GET, 0);
	attr_u32(&m, TRIVIO_A_QUEUE_INDEX, 0);
	EXPECT_EQ(-EINVAL, exchange(&self->c, &m));
	begin(&self->c, &m, self->c.family, TRIVIO_CMD_NUDGE, NLM_F_ACK);
	attr_u32(&m, TRIVIO_A_QUEUE_DEV, self->id);
	attr_u32(&m, TRIVIO_A_QUEUE_INDEX, 0);
	EXPECT_EQ(-EINVAL, exchange(&self->c, &m));
	EXPECT_EQ(-EINVAL, nudge(&self->c, self->id, 0, 0));
	EXPECT_EQ(-EINVAL, nudge(&self->c, self->id, 0, 4));
	begin(&self->c, &m, self->c.family, TRIVIO_CMD_CHECK_SET, NLM_F_ACK);
	attr_u32(&m, TRIVIO_A_CHECK_DEV, self->id);
	EXPECT_EQ(-EINVAL, exchange(&self->c, &m));
	attr_u32(&m, TRIVIO_A_CHECK_MODE, TRIVIO_CHECK_MODE_STOP + 1);
	EXPECT_GT(0, exchange(&self->c, &m));
	begin(&self->c, &m, self->c.family, TRIVIO_CMD_CHECK_SET, NLM_F_ACK);
	attr_u32(&m, TRIVIO_A_CHECK_MODE, TRIVIO_CHECK_MODE_LOG);
	EXPECT_EQ(-EINVAL, exchange(&self->c, &m));
}

TEST_F_TIMEOUT(nl, unknown_commands, 120)
{
	struct msg m;
	int cmd;

	for (cmd = 0; cmd < 256; cmd++) {
		if (cmd == TRIVIO_CMD_DEV_GET || cmd == TRIVIO_CMD_QUEUE_GET ||
		    cmd == TRIVIO_CMD_NUDGE || cmd == TRIVIO_CMD_CHECK_GET ||
		    cmd == TRIVIO_CMD_CHECK_SET)
			continue;
		begin(&self->c, &m, self->c.family, cmd, NLM_F_ACK);
		EXPECT_EQ(-EOPNOTSUPP, exchange(&self->c, &m));
		begin(&self->c, &m, self->c.family, cmd, NLM_F_DUMP);
		EXPECT_EQ(-EOPNOTSUPP, exchange(&self->c, &m));
	}
}

/* An attribute that claims to go on behind the end of the message. */
TEST_F(nl, torn_attributes)
{
	struct nlattr *a;
	struct msg m;
	int len;

	for (len = 0; len < 64; len++) {
		begin(&self->c, &m, self->c.family, TRIVIO_CMD_DEV_GET,
		      NLM_F_ACK);
		a = (void *)(m.raw + m.nlh.nlmsg_len);
		attr_u32(&m, TRIVIO_A_DEV_ID, self->id);
		a->nla_len = len;
		if (len == NLA_HDRLEN + 4) {
			EXPECT_EQ(0, exchange(&self->c, &m));
		} else {
			EXPECT_GT(0, exchange(&self->c, &m));
		}
	}
}

/* Random bytes behind a good header, for as long as is fair on a busy machine. */
TEST_F_TIMEOUT(nl, noise, 120)
{
	unsigned int i, seed = 1;
	struct msg m;
	size_t k, n;

	for (i = 0; i < 2000; i++) {
		begin(&self->c, &m, self->c.family, 1 + rand_r(&seed) % 3,
		      rand_r(&seed) & 1 ? NLM_F_DUMP : NLM_F_ACK);
		n = rand_r(&seed) % 64;
		for (k = 0; k < n; k++)
			m.raw[m.nlh.nlmsg_len + k] = rand_r(&seed) % 4 ?
						     rand_r(&seed) % 12 :
						     rand_r(&seed);
		m.nlh.nlmsg_len += n;
		ASSERT_NE(-ETIME, exchange(&self->c, &m));
	}
	EXPECT_EQ(0, queue_get(&self->c, self->id, 0));
}

/* Runs in a child without privilege; its exit status is the result. */
static int nobody(uint32_t id)
{
	struct conn *c = calloc(1, sizeof(*c));
	struct msg m;

	if (setgid(NOBODY) || setuid(NOBODY) || !c || conn_open(c))
		return 1;
	begin(c, &m, c->family, TRIVIO_CMD_QUEUE_GET, NLM_F_DUMP);
	if (exchange(c, &m) || c->msgs < 2)
		return 2;
	if (c->addrs)
		return 3;
	if (queue_get(c, id, 1) || c->addrs)
		return 4;
	if (nudge(c, id, 1, TRIVIO_NUDGE_KICK) != -EPERM)
		return 5;
	return 0;
}

TEST_F(nl, without_privilege)
{
	int status;
	pid_t pid;

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(nobody(self->id));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/* Frames made available without a kick stay where they are until the nudge. */
TEST_F(nl, nudge_kick)
{
	struct vh_shape s = { .count = 1, .len = 60, .batch = 1, .segs = 1 };
	struct vh_ring *r = &self->d.ring[VH_TX];
	unsigned int done = 0;

	/* One that is kicked: then the look that every start brings is over. */
	OK(vh_tx_post(&self->d, &s, 0));
	vh_publish(r);
	vh_kick(r);
	OK(vh_wait_used(r, 20000));
	OK(vh_tx_reap(&self->d, &done));
	usleep(500000);
	done = 0;

	OK(vh_tx_post(&self->d, &s, 1));
	vh_publish(r);
	usleep(200000);
	EXPECT_FALSE(vh_more_used(r));
	EXPECT_EQ(0, nudge(&self->c, self->id, VH_TX, TRIVIO_NUDGE_KICK));
	OK(vh_wait_used(r, 5000));
	OK(vh_tx_reap(&self->d, &done));
	EXPECT_EQ(1, done);
}

TEST_F(nl, nudge_call)
{
	struct vh_ring *r = &self->d.ring[VH_RX];

	vh_drain(r->call);
	EXPECT_EQ(0, nudge(&self->c, self->id, VH_RX, TRIVIO_NUDGE_CALL));
	EXPECT_EQ(1, vh_drain(r->call));
	OK(vh_stop(&self->d));
	EXPECT_EQ(-ENETDOWN, nudge(&self->c, self->id, VH_RX,
				   TRIVIO_NUDGE_CALL));
}

/* Events ----------------------------------------------------------------- */

static int listen_to(struct conn *c)
{
	return setsockopt(c->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP,
			  &c->group, sizeof(c->group)) ? -errno : 0;
}

static void break_ring(struct vh_dev *d)
{
	struct vh_ring *r = &d->ring[VH_TX];
	uint16_t idx = r->avail->idx;

	r->avail->ring[idx % r->size] = r->size + 7;
	__atomic_store_n(&r->avail->idx, idx + 1, __ATOMIC_RELEASE);
	vh_kick(r);
}

/* The next event of @cmd within five seconds, or NULL. */
static const struct nlmsghdr *event(struct conn *c, uint8_t cmd)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	const struct genlmsghdr *g;
	const struct nlmsghdr *nlh;
	int len;

	while (poll(&p, 1, 5000) == 1) {
		len = recv(c->fd, c->buf, sizeof(c->buf), 0);
		if (len < 0)
			continue;
		for (nlh = (void *)c->buf; mnl_nlmsg_ok(nlh, len);
		     nlh = mnl_nlmsg_next(nlh, &len)) {
			g = NLMSG_DATA(nlh);
			if (nlh->nlmsg_type == c->family && g->cmd == cmd)
				return nlh;
		}
	}
	return NULL;
}

static uint32_t get_u32(const struct nlmsghdr *nlh, uint16_t type,
			uint32_t none)
{
	const struct nlattr *a;

	mnl_attr_for_each(a, nlh, GENL_HDRLEN) {
		if (mnl_attr_get_type(a) == type)
			return mnl_attr_get_u32(a);
	}
	return none;
}

TEST_F(nl, event_error)
{
	const struct nlmsghdr *nlh;
	const struct nlattr *a, *b;
	char name[32] = "";

	ASSERT_EQ(0, listen_to(&self->c));
	break_ring(&self->d);
	nlh = event(&self->c, TRIVIO_CMD_ERROR_NTF);
	ASSERT_NE(NULL, nlh);
	EXPECT_EQ(self->id, get_u32(nlh, TRIVIO_A_QUEUE_DEV, ~0u));
	EXPECT_EQ(VH_TX, get_u32(nlh, TRIVIO_A_QUEUE_INDEX, ~0u));
	mnl_attr_for_each(a, nlh, GENL_HDRLEN) {
		if (mnl_attr_get_type(a) != TRIVIO_A_QUEUE_ERROR)
			continue;
		mnl_attr_for_each_nested(b, a) {
			EXPECT_NE(TRIVIO_A_ERROR_ADDR, mnl_attr_get_type(b));
			if (mnl_attr_get_type(b) == TRIVIO_A_ERROR_NAME)
				snprintf(name, sizeof(name), "%s",
					 mnl_attr_get_str(b));
		}
	}
	EXPECT_STREQ("head-range", name);
}

TEST_F(nl, event_state)
{
	const struct nlmsghdr *nlh;

	ASSERT_EQ(0, listen_to(&self->c));
	OK(vh_stop(&self->d));
	nlh = event(&self->c, TRIVIO_CMD_STATE_NTF);
	ASSERT_NE(NULL, nlh);
	EXPECT_EQ(TRIVIO_DEV_STATE_IDLE,
		  get_u32(nlh, TRIVIO_A_DEV_STATE, ~0u));
	vh_close(&self->d);
	self->d.fd = -1;
	nlh = event(&self->c, TRIVIO_CMD_STATE_NTF);
	ASSERT_NE(NULL, nlh);
	EXPECT_EQ(TRIVIO_DEV_STATE_GONE,
		  get_u32(nlh, TRIVIO_A_DEV_STATE, ~0u));
}

/* One device may not drown the channel: a budget, and a count of the rest. */
TEST_F_TIMEOUT(nl, event_flood, 120)
{
	const struct nlmsghdr *nlh;
	struct timespec t0, t1;
	unsigned int i, n = 0, lost = 0;

	ASSERT_EQ(0, listen_to(&self->c));
	clock_gettime(CLOCK_MONOTONIC, &t0);
	for (i = 0; i < 100; i++) {
		OK(vh_stop(&self->d));
		OK(vh_start(&self->d, self->t.fd));
	}
	clock_gettime(CLOCK_MONOTONIC, &t1);
	/* After the flood, so that what is missing is told by the last one. */
	sleep(2);
	OK(vh_stop(&self->d));
	while ((nlh = event(&self->c, TRIVIO_CMD_STATE_NTF))) {
		n++;
		lost += get_u32(nlh, TRIVIO_A_DEV_LOST, 0);
	}
	/* 32 a second, and as many for each second begun. */
	EXPECT_GE(32 * (t1.tv_sec - t0.tv_sec + 2) + 1, n);
	/* Every change was told or counted. */
	EXPECT_EQ(201, n + lost);
}

/* Dumps while devices come and go -------------------------------------- */

static volatile bool churn_stop;

static void *churn(void *arg)
{
	struct vh_opts o = { .features = VH_BASIC, .size = 16 };
	unsigned long *rounds = arg;

	while (!churn_stop) {
		struct vh_dev d = { .fd = -1 };

		if (!vh_open(&d, &o))
			(*rounds)++;
		vh_close(&d);
	}
	return NULL;
}

TEST_F_TIMEOUT(nl, dump_under_change, 120)
{
	unsigned long rounds = 0;
	pthread_t thread;
	struct msg m;
	int i, err;

	churn_stop = false;
	ASSERT_EQ(0, pthread_create(&thread, NULL, churn, &rounds));
	for (i = 0; i < 200; i++) {
		begin(&self->c, &m, self->c.family,
		      i & 1 ? TRIVIO_CMD_DEV_GET : TRIVIO_CMD_QUEUE_GET,
		      NLM_F_DUMP);
		err = exchange(&self->c, &m);
		EXPECT_EQ(0, err);
		EXPECT_LE(1, self->c.msgs);
		EXPECT_EQ(0, self->c.pointers);
	}
	churn_stop = true;
	pthread_join(thread, NULL);
	EXPECT_LT(0, rounds);
}

TEST_HARNESS_MAIN
