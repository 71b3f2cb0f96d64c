// SPDX-License-Identifier: GPL-2.0-only
/*
 * soak: traffic with numbers in it, both ways, and every 50 to 400 ms a blow:
 * the owner killed or stopped, a tap deleted, a tap flooded beyond its queue,
 * the module unloaded; all the while backends and memory tables change. In
 * the end the books must close: nothing sent is lost or comes twice, unless
 * a tap was deleted, and then the device counted it; what was received is
 * delivered, or counted by the device or the tap.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include "dice.h"
#include "kselftest.h"
#include "soak.h"

#define RX_AHEAD	300	/* frames that wait in a tap, without a flood */
#define QUIET_MS	60000	/* for the rest to come, at the end */

struct drops {
	uint64_t tx;
	uint64_t rx;
	uint64_t by_reason[8];
	uint64_t errors;
};

static const char * const reason[] = {
	"drop_nobuf", "drop_format", "drop_backend", "drop_fault",
	"drop_nomem", "drop_filter",
};

#define REASONS	(sizeof(reason) / sizeof(reason[0]))

/* What was done, and what the devices that are gone have counted. */
struct soak {
	struct sk_world w;
	pid_t owner;
	uint64_t rng;
	struct drops sum;
	uint64_t tap_drops;	/* of taps, all that were ever made */
	uint64_t refused;	/* what a full tap said while sending */
	uint64_t sock_drops;
	int sock;		/* hears what comes out of every tap */
	unsigned int kills, stops, deletes, floods, unloads;
	char device[64];
};

static uint64_t rnd(struct soak *s, uint64_t n)
{
	s->rng ^= s->rng << 13;
	s->rng ^= s->rng >> 7;
	s->rng ^= s->rng << 17;
	return n ? (s->rng >> 11) % n : 0;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ULL + t.tv_nsec / 1000000;
}

/* ---- counters ---- */

/*
 * count - add to @d what the device has counted up to now; 0 or -errno. At
 * rest (@exact) each drop has its reason.
 */
static int count(struct soak *s, struct drops *d, bool exact)
{
	char args[96];
	unsigned int q, i;
	char *json;

	snprintf(args, sizeof(args), "show %s --json", s->device);
	json = vh_trivio(args);
	for (q = 0; q < 2; q++) {
		const char *t = vh_json_queue(json, q);
		uint64_t all = vh_json_number(t, "drops"), sum = 0;

		if (!t)
			return vh_fail(-ENODEV, "%s: %.80s", args, json);
		for (i = 0; i < REASONS; i++) {
			sum += vh_json_number(t, reason[i]);
			d->by_reason[i] += vh_json_number(t, reason[i]);
		}
		if (exact && sum != all)
			return vh_fail(-EPROTO, "queue %u: %llu drops, %llu with a reason",
				       q, (unsigned long long)all,
				       (unsigned long long)sum);
		*(q == VH_TX ? &d->tx : &d->rx) += all;
		d->errors += vh_json_number(t, "errors");
	}
	return 0;
}

/* What the tap counts as dropped; /sys would show another namespace's. */
static uint64_t tap_dropped(const struct vh_tap *t)
{
	unsigned long long n[12];
	uint64_t drops = 0;
	char line[512], *p;
	FILE *f = fopen("/proc/self/net/dev", "r");

	while (f && fgets(line, sizeof(line), f)) {
		p = strchr(line, ':');
		if (!p)
			continue;
		*p = 0;
		if (strcmp(line + strspn(line, " "), t->name))
			continue;
		/* Eight columns of what came, then bytes, packets, errors. */
		if (sscanf(p + 1, "%llu %llu %llu %llu %llu %llu %llu %llu %llu %llu %llu %llu",
			   &n[0], &n[1], &n[2], &n[3], &n[4], &n[5], &n[6],
			   &n[7], &n[8], &n[9], &n[10], &n[11]) == 12)
			drops = n[11];
	}
	if (f)
		fclose(f);
	return drops;
}

/* ---- traffic of this side ---- */

/*
 * What comes out of a tap is heard by one socket that belongs to none of them.
 * A socket that is bound to a tap hears nothing from the moment the tap goes
 * down, while tun takes frames until it is gone.
 */
static bool take_in(struct soak *s)
{
	static uint8_t f[2048];
	struct sk_books *b = s->w.b;
	uint64_t seq;
	ssize_t n;
	int i, ok;

	for (i = 0; i < 256; i++) {
		n = recv(s->sock, f, sizeof(f), MSG_DONTWAIT);
		if (n <= 0)
			return false;
		ok = vh_frame_check(f, n, &seq);
		if (ok < 0)
			b->bad++;
		if (ok != 1)
			continue;
		if (sk_mark(b->tx_seen, seq))
			__atomic_store_n(&b->tx_got, b->tx_got + 1,
					 __ATOMIC_RELEASE);
		else
			b->tx_twice++;
	}
	return true;
}

static bool send_one(struct soak *s, struct vh_tap *t)
{
	static uint8_t f[2048];
	struct sk_books *b = s->w.b;
	unsigned int len = 60 + rnd(s, SK_LEN_MAX - 60);

	if (b->rx_next >= SK_SEQS)
		return false;
	vh_frame_fill(f, len, b->rx_next);
	if (send(t->sock, f, len, MSG_DONTWAIT) != (ssize_t)len) {
		/* The tap took it, dropped it and should count it. */
		if (errno != ENOBUFS)
			return false;
		s->refused++;
	}
	b->rx_next++;
	b->rx_sent++;
	return true;
}

/* What is neither delivered nor counted yet waits in a tap. */
static int64_t rx_waiting(struct soak *s, const struct drops *now)
{
	return s->w.b->rx_sent - s->w.b->rx_got - now->rx - s->refused;
}

/* Both sides for @ms. */
static void run(struct soak *s, unsigned int ms, bool send)
{
	uint64_t end = now_ms() + ms;
	struct drops none = s->sum;
	unsigned int i;

	while (now_ms() < end) {
		take_in(s);
		for (i = 0; send && i < 32 && rx_waiting(s, &none) < RX_AHEAD;
		     i++)
			if (!send_one(s, &s->w.tap[rnd(s, 2)]))
				break;
		usleep(200);
	}
}

/* ---- owners ---- */

static int owner_start(struct soak *s)
{
	unsigned int i;

	s->w.fd = open(vh_node(), O_RDWR);
	if (s->w.fd < 0)
		return vh_fail(-errno, "%s", vh_node());
	s->w.b->running = false;
	s->owner = fork();
	if (!s->owner)
		sk_guest_main(&s->w, s->rng);
	for (i = 0; i < 3000 && !s->w.b->running; i++)
		usleep(10000);
	if (!s->w.b->running)
		return vh_fail(-ETIME, "the owner does not start");
	return vh_device_name(s->owner, s->device, sizeof(s->device));
}

/* Frames that found the socket's buffer full. */
static void sock_lost(struct soak *s)
{
	struct tpacket_stats st = { 0 };
	socklen_t len = sizeof(st);

	if (!getsockopt(s->sock, SOL_PACKET, PACKET_STATISTICS, &st, &len))
		s->sock_drops += st.tp_drops;
}

/* The owner dies; its device is asked once more, and closed. */
static int owner_end(struct soak *s)
{
	uint64_t t = now_ms();
	int status, r, i;

	kill(s->owner, SIGKILL);
	for (i = 0; i < 3000 && waitpid(s->owner, &status, WNOHANG) == 0; i++)
		usleep(2000);
	if (now_ms() - t > 10000)
		return vh_fail(-ETIME, "the owner took %llu ms to die",
			       (unsigned long long)(now_ms() - t));
	if (WIFEXITED(status))
		return vh_fail(-EPROTO, "the owner gave up (%d)",
			       WEXITSTATUS(status));
	r = count(s, &s->sum, true);
	close(s->w.fd);
	sock_lost(s);
	/* What is lost is under way no more. */
	s->w.b->tx_lost = s->sum.tx + s->sock_drops;
	return r;
}

/* A tap, and a socket that only sends into it. */
static int tap_new(struct soak *s, unsigned int k)
{
	struct vh_tap *t = &s->w.tap[k];
	int r = vh_tap_open(t, VH_TAP_NOSOCK, 12);

	if (r)
		return r;
	t->sock = vh_sock_proto(t->name, 0, false);
	return t->sock < 0 ? t->sock : 0;
}

/* What can be seen from outside when nothing moves. */
static void tell(struct soak *s)
{
	struct sk_books *b = s->w.b;
	char cmd[400];

	ksft_print_msg("%llu out, %llu arrived, %llu given up; %llu in, %llu delivered\n",
		       (unsigned long long)b->tx_next,
		       (unsigned long long)b->tx_got,
		       (unsigned long long)b->tx_lost,
		       (unsigned long long)b->rx_sent,
		       (unsigned long long)b->rx_got);
	snprintf(cmd, sizeof(cmd),
		 "{ nsenter --net=/proc/1/ns/net ../../tools/trivio/trivio show %s; cd /proc/%d/task; grep . */comm */stack; cat /proc/net/dev; } 2>&1 | sed 's/^/# /'",
		 s->device, s->owner);
	fflush(stdout);
	if (system(cmd))
		ksft_print_msg("%s: failed\n", cmd);
}

/*
 * A tap that is deleted takes what waits in it along, uncounted: so first
 * nothing may wait. What is sent into it afterwards must be counted.
 */
static int tap_delete(struct soak *s)
{
	unsigned int k = rnd(s, 2), i;
	struct drops now = { 0 };
	char cmd[64];
	int r;

	for (i = 0; i < 200; i++) {
		run(s, 50, false);
		now = s->sum;
		r = count(s, &now, false);
		if (r)
			return r;
		if (rx_waiting(s, &now) <= 0)
			break;
	}
	if (rx_waiting(s, &now) > 0) {
		tell(s);
		return vh_fail(-ETIME, "%lld frames wait for ever",
			       (long long)rx_waiting(s, &now));
	}
	s->tap_drops += tap_dropped(&s->w.tap[k]);
	snprintf(cmd, sizeof(cmd), "ip link del %s", s->w.tap[k].name);
	if (system(cmd))
		return vh_fail(-EIO, "%s", cmd);
	run(s, 100, false);
	r = owner_end(s);
	vh_tap_close(&s->w.tap[k]);
	s->deletes++;
	r = r ?: tap_new(s, k);
	return r ?: owner_start(s);
}

static int blow(struct soak *s)
{
	unsigned int i, n;
	int r = 0;

	switch (rnd(s, 8)) {
	case 0:
	case 1:
		r = owner_end(s) ?: owner_start(s);
		s->kills++;
		break;
	case 2:
	case 3:
		kill(s->owner, SIGSTOP);
		run(s, 20 + rnd(s, 200), true);
		kill(s->owner, SIGCONT);
		s->stops++;
		break;
	case 4:
		r = tap_delete(s);
		break;
	case 5:
		/* Half as many again as the tap's queue holds. */
		n = rnd(s, 2);
		for (i = 0; i < 1500 && send_one(s, &s->w.tap[n]); i++)
			;
		s->floods++;
		break;
	default:
		if (syscall(SYS_delete_module, "trivio_vhost", O_NONBLOCK) ==
		    0)
			r = vh_fail(-EBUSY, "the module went while in use");
		s->unloads++;
	}
	return r;
}

/* ---- the end ---- */

static int settle(struct soak *s)
{
	uint64_t end = now_ms() + QUIET_MS;
	struct sk_ring *tx = &s->w.g->ring[VH_TX];
	struct drops now;
	int r;

	s->w.b->pause = true;
	do {
		run(s, 300, false);
		now = s->sum;
		r = count(s, &now, false);
		if (r)
			return r;
	} while (now_ms() < end && (rx_waiting(s, &now) > 0 ||
				    tx->avail.idx != tx->used.idx));
	run(s, 500, false);
	r = owner_end(s);
	/* A slow kernel may have thousands of frames in the socket. */
	while (take_in(s))
		;
	s->tap_drops += tap_dropped(&s->w.tap[0]) + tap_dropped(&s->w.tap[1]);
	return r;
}

static void say(struct soak *s)
{
	struct sk_books *b = s->w.b;
	unsigned int i;

	ksft_print_msg("%u owners killed, %u stopped, %u taps deleted, %u floods, %u unloads refused, %llu backend swaps, %llu tables\n",
		       s->kills, s->stops, s->deletes, s->floods, s->unloads,
		       (unsigned long long)b->swaps,
		       (unsigned long long)b->tables);
	ksft_print_msg("transmit: %llu sent, %llu arrived, %llu twice, %llu dropped by the device, %llu by the socket\n",
		       (unsigned long long)b->tx_next,
		       (unsigned long long)b->tx_got,
		       (unsigned long long)b->tx_twice,
		       (unsigned long long)s->sum.tx,
		       (unsigned long long)s->sock_drops);
	ksft_print_msg("receive: %llu sent, %llu delivered, %llu twice, %llu dropped by the device, %llu by taps\n",
		       (unsigned long long)b->rx_sent,
		       (unsigned long long)b->rx_got,
		       (unsigned long long)b->rx_twice,
		       (unsigned long long)s->sum.rx,
		       (unsigned long long)s->tap_drops);
	for (i = 0; i < REASONS; i++)
		if (s->sum.by_reason[i])
			ksft_print_msg("%s %llu\n", reason[i],
				       (unsigned long long)s->sum.by_reason[i]);
}

static void judge(struct soak *s)
{
	struct sk_books *b = s->w.b;

	ksft_test_result(b->tx_got && b->tx_got + s->sum.tx +
			 s->sock_drops == b->tx_next,
			 "transmit: every frame arrived or was counted\n");
	ksft_test_result(s->deletes || !s->sum.tx,
			 "transmit: none is lost but to a deleted tap\n");
	ksft_test_result(!b->tx_twice && !b->rx_twice, "none comes twice\n");
	ksft_test_result(b->rx_got && b->rx_got + s->sum.rx +
			 s->tap_drops == b->rx_sent,
			 "receive: every frame delivered or counted with its reason\n");
	ksft_test_result(!b->bad, "no frame is altered\n");
	ksft_test_result(!s->sum.errors, "no queue broke\n");
}

static int soak(struct soak *s, unsigned int seconds)
{
	uint64_t end = now_ms() + seconds * 1000ULL;
	int r;

	s->sock = vh_sock_proto(NULL, ETH_P_ALL, false);
	if (s->sock < 0)
		return s->sock;
	r = tap_new(s, 0) ?: tap_new(s, 1) ?: owner_start(s);
	while (!r && now_ms() < end) {
		run(s, 50 + rnd(s, 350), true);
		r = blow(s);
	}
	return r ?: settle(s);
}

static int world_open(struct sk_world *w)
{
	unsigned int q;

	w->memfd = memfd_create("guest", MFD_CLOEXEC);
	if (w->memfd < 0 || ftruncate(w->memfd, sizeof(*w->g)))
		return -errno;
	w->g = mmap(NULL, sizeof(*w->g), PROT_READ | PROT_WRITE, MAP_SHARED,
		    w->memfd, 0);
	w->b = mmap(NULL, sizeof(*w->b), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (w->g == MAP_FAILED || w->b == MAP_FAILED)
		return -ENOMEM;
	for (q = 0; q < 2; q++) {
		w->kick[q] = eventfd(0, EFD_NONBLOCK);
		w->call[q] = eventfd(0, EFD_NONBLOCK);
		w->err[q] = eventfd(0, EFD_NONBLOCK);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct dice_args a = { .seconds = 20, .seed = 1 };
	static struct soak s;
	int r;

	dice_parse(argc, argv,
		   "Numbered frames both ways while owners, taps and tables go.",
		   false, &a);
	ksft_print_header();
	ksft_set_plan(7);
	s.rng = a.seed * 0x9e3779b97f4a7c15ULL | 1;
	if (access("../../tools/trivio/trivio", X_OK))
		ksft_exit_skip("tools/trivio was not built\n");
	if (vh_ns_enter())
		ksft_exit_skip("needs root\n");
	r = world_open(&s.w);
	r = r ?: soak(&s, a.seconds);
	if (r)
		ksft_print_msg("%s\n", vh_why());
	say(&s);
	ksft_test_result(!r, "ran to its end, seed %llu\n",
			 (unsigned long long)a.seed);
	judge(&s);
	ksft_finished();
}
