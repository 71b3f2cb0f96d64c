// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO_DEVICE_SET_IRQS: every form in every state, with the answers that vfio-pci
 * gives for a physical function (drivers/vfio/pci/vfio_pci_intrs.c).
 */
#include "common.h"

#define INTX	VFIO_PCI_INTX_IRQ_INDEX
#define MSI	VFIO_PCI_MSI_IRQ_INDEX
#define MSIX	VFIO_PCI_MSIX_IRQ_INDEX
#define ERR	VFIO_PCI_ERR_IRQ_INDEX
#define REQ	VFIO_PCI_REQ_IRQ_INDEX

FIXTURE(irq) {
	struct vc c;
	int fd[4];
};

FIXTURE_SETUP(irq)
{
	int i;

	OK(vc_create(&self->c, "trivio-net"));
	OK(vc_open(&self->c));
	for (i = 0; i < 4; i++)
		self->fd[i] = eventfd(0, EFD_NONBLOCK);
}

FIXTURE_TEARDOWN(irq)
{
	int i;

	vc_close(&self->c);
	EXPECT_EQ(0, pins_left(&self->c));
	EXPECT_EQ(0, vc_remove(&self->c));
	for (i = 0; i < 4; i++)
		close(self->fd[i]);
}

/* --- the table ------------------------------------------------------------- */

/* Which interrupts are on: none, INTx or MSI-X. */
enum state { OFF, BY_INTX, BY_MSIX, STATES };

static int expect_intx(enum state s, unsigned int data, unsigned int action,
		       unsigned int count)
{
	if (action != TRIGGER) {
		if (s != BY_INTX || !count)
			return -EINVAL;
		return action == MASK && data == EVENT ? -ENOTTY : 0;
	}
	if (s == BY_MSIX)
		return -EINVAL;
	if (s == OFF)
		return data == EVENT ? 0 : -EINVAL;
	return 0;
}

static int expect_msix(enum state s, unsigned int data, unsigned int action)
{
	if (action != TRIGGER)
		return -ENOTTY;
	if (s == BY_INTX)
		return -EINVAL;
	return s == OFF && data != EVENT ? -EINVAL : 0;
}

static int expect(enum state s, bool req, unsigned int index,
		  unsigned int data, unsigned int action, unsigned int count)
{
	/* Not there at all; and data that is announced but missing */
	if (index == MSI || index == ERR || (!count && data != NONE))
		return -EINVAL;
	if (index == INTX)
		return expect_intx(s, data, action, count);
	if (index == MSIX)
		return expect_msix(s, data, action);
	if (action != TRIGGER)
		return -ENOTTY;
	return data == NONE && !req ? -EINVAL : 0;
}

static int enter(struct vc *c, enum state s, bool req, const int *fd)
{
	int none = -1, err;

	vc_irqs(c, INTX, NONE | TRIGGER, 0, 0, NULL);
	vc_irqs(c, MSIX, NONE | TRIGGER, 0, 0, NULL);
	err = vc_irqs(c, REQ, EVENT | TRIGGER, 0, 1, req ? &fd[2] : &none);
	if (!err && s == BY_INTX)
		err = vc_irqs(c, INTX, EVENT | TRIGGER, 0, 1, &fd[0]);
	if (!err && s == BY_MSIX)
		err = vc_irqs(c, MSIX, EVENT | TRIGGER, 0, 1, &fd[1]);
	return err;
}

TEST_F(irq, every_form_in_every_state)
{
	static const unsigned int index[] = { INTX, MSI, MSIX, ERR, REQ };
	static const unsigned int datas[] = { NONE, BOOL, EVENT };
	static const unsigned int actions[] = { MASK, UNMASK, TRIGGER };
	struct vc *c = &self->c;
	uint8_t on = 1;
	unsigned int n;

	/* state, request armed, index, data, action, count */
	for (n = 0; n < STATES * 2 * 5 * 3 * 3 * 2; n++) {
		unsigned int count = n % 2;
		unsigned int action = actions[n / 2 % 3];
		unsigned int data = datas[n / 6 % 3];
		unsigned int i = index[n / 18 % 5];
		bool req = n / 90 % 2;
		enum state s = n / 180;
		const void *arg = data == BOOL ? (void *)&on :
				  data == EVENT ? &self->fd[3] : NULL;

		OK(enter(c, s, req, self->fd));
		EXPECT_EQ(expect(s, req, i, data, action, count),
			  vc_irqs(c, i, data | action, 0, count, arg))
			TH_LOG("state %d req %d index %u data %u action %u count %u",
			       s, req, i, data, action, count);
	}
}

/* --- INTx -------------------------------------------------------------------- */

TEST_F(irq, intx_loopback)
{
	struct vc *c = &self->c;
	uint8_t on = 1, off = 0;

	OK(vc_irqs(c, INTX, EVENT | TRIGGER, 0, 1, &self->fd[0]));
	OK(vc_irqs(c, INTX, NONE | TRIGGER, 0, 1, NULL));
	EXPECT_EQ(1, fired(self->fd[0], 0));
	OK(vc_irqs(c, INTX, BOOL | TRIGGER, 0, 1, &on));
	EXPECT_EQ(1, fired(self->fd[0], 0));
	OK(vc_irqs(c, INTX, BOOL | TRIGGER, 0, 1, &off));
	EXPECT_EQ(0, fired(self->fd[0], 0));
	/* Not while the function may not raise INTx */
	OK(vc_command(c, PCI_COMMAND_INTX_DISABLE));
	OK(vc_irqs(c, INTX, NONE | TRIGGER, 0, 1, NULL));
	EXPECT_EQ(0, fired(self->fd[0], 0));
	OK(vc_command(c, 0));
	/* Without an eventfd it stays switched on, silently. */
	OK(vc_irqs(c, INTX, EVENT | TRIGGER, 0, 1, (int[]){ -1 }));
	OK(vc_irqs(c, INTX, NONE | TRIGGER, 0, 1, NULL));
	EXPECT_EQ(0, fired(self->fd[0], 0));
	OK(vc_irqs(c, INTX, EVENT | TRIGGER, 0, 1, &self->fd[1]));
	OK(vc_irqs(c, INTX, NONE | TRIGGER, 0, 1, NULL));
	EXPECT_EQ(1, fired(self->fd[1], 0));
}

static void tx_done(struct __test_metadata *_metadata, struct vc *c,
		    uint32_t seq)
{
	OK(vc_tx(c, seq));
	ASSERT_LE(0, vc_wait_used(c, 1, WAIT_MS));
}

/* The line is up until ISR is read; masked it is only remembered. */
TEST_F(irq, intx_mask_forms)
{
	struct vc *c = &self->c;
	uint8_t on = 1, off = 0;

	OK(vc_irqs(c, INTX, EVENT | TRIGGER, 0, 1, &self->fd[0]));
	OK(vc_start(c, FEATURES));
	OK(vc_irqs(c, INTX, NONE | MASK, 0, 1, NULL));
	tx_done(_metadata, c, 1);
	EXPECT_EQ(0, fired(self->fd[0], 200));
	OK(vc_irqs(c, INTX, BOOL | UNMASK, 0, 1, &off));
	EXPECT_EQ(0, fired(self->fd[0], 0));
	OK(vc_irqs(c, INTX, BOOL | UNMASK, 0, 1, &on));
	EXPECT_EQ(1, fired(self->fd[0], WAIT_MS));
	/* Raised, it has masked itself; still up, an unmask raises it again. */
	OK(vc_irqs(c, INTX, NONE | UNMASK, 0, 1, NULL));
	EXPECT_EQ(1, fired(self->fd[0], WAIT_MS));
	EXPECT_EQ(1, vc_get(c, BAR(c), c->caps.isr, 1));
	OK(vc_irqs(c, INTX, NONE | UNMASK, 0, 1, NULL));
	EXPECT_EQ(0, fired(self->fd[0], 100));
	OK(vc_irqs(c, INTX, BOOL | MASK, 0, 1, &off));
	tx_done(_metadata, c, 2);
	EXPECT_EQ(1, fired(self->fd[0], WAIT_MS));
	EXPECT_EQ(1, vc_get(c, BAR(c), c->caps.isr, 1));
}

/* A VMM swaps the eventfd of a line that is up: the new one gets it. */
TEST_F(irq, intx_swap_while_up)
{
	struct vc *c = &self->c;

	OK(vc_irqs(c, INTX, EVENT | TRIGGER, 0, 1, &self->fd[0]));
	OK(vc_start(c, FEATURES));
	OK(vc_irqs(c, INTX, NONE | MASK, 0, 1, NULL));
	tx_done(_metadata, c, 1);
	OK(vc_irqs(c, INTX, EVENT | TRIGGER, 0, 1, &self->fd[1]));
	OK(vc_irqs(c, INTX, NONE | UNMASK, 0, 1, NULL));
	EXPECT_EQ(1, fired(self->fd[1], WAIT_MS));
	EXPECT_EQ(0, fired(self->fd[0], 0));
}

/* The resample eventfd: replaced, taken away, gone with INTx. */
TEST_F(irq, intx_resample_life)
{
	struct vc *c = &self->c;
	int un = self->fd[3];
	uint64_t one = 1;
	long n;

	OK(vc_irqs(c, INTX, EVENT | TRIGGER, 0, 1, &self->fd[0]));
	OK(vc_irqs(c, INTX, EVENT | UNMASK, 0, 1, &un));
	EXPECT_EQ(-EBUSY, vc_irqs(c, INTX, EVENT | UNMASK, 0, 1, &un));
	n = vc_stat(c, "irq_unmasks");
	ASSERT_EQ(8, write(un, &one, 8));
	usleep(300000);
	EXPECT_EQ(n + 1, vc_stat(c, "irq_unmasks"));
	OK(vc_irqs(c, INTX, EVENT | UNMASK, 0, 1, (int[]){ -1 }));
	ASSERT_EQ(8, write(un, &one, 8));
	usleep(200000);
	EXPECT_EQ(n + 1, vc_stat(c, "irq_unmasks"));
	OK(vc_irqs(c, INTX, EVENT | UNMASK, 0, 1, &un));
	OK(vc_irqs(c, INTX, NONE | TRIGGER, 0, 0, NULL));
	ASSERT_EQ(8, write(un, &one, 8));
	usleep(200000);
	EXPECT_GE(n + 2, vc_stat(c, "irq_unmasks"));
}

/* --- MSI-X --------------------------------------------------------------------- */

/* As newer VMMs do: on with a vector without eventfd, then one by one. */
TEST_F(irq, msix_grows)
{
	struct vc *c = &self->c;
	struct vfio_irq_info info = { .argsz = sizeof(info), .index = MSIX };
	int i;

	ASSERT_EQ(0, ioctl(c->dev, VFIO_DEVICE_GET_IRQ_INFO, &info));
	EXPECT_EQ(0, info.flags & VFIO_IRQ_INFO_NORESIZE);
	OK(vc_msix(c, 0, -1));
	for (i = 0; i < 4; i++)
		OK(vc_msix(c, i, self->fd[i]));
	OK(vc_irqs(c, MSIX, NONE | TRIGGER, 1, 2, NULL));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(i == 1 || i == 2, fired(self->fd[i], 0));
	/* One vector's eventfd is taken away, the others stay. */
	OK(vc_msix(c, 1, -1));
	OK(vc_irqs(c, MSIX, NONE | TRIGGER, 0, 4, NULL));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(i != 1, fired(self->fd[i], 0));
	/* Off is off: nothing is left of them when it is on again. */
	OK(vc_irqs(c, MSIX, NONE | TRIGGER, 0, 0, NULL));
	OK(vc_msix(c, 0, self->fd[0]));
	OK(vc_irqs(c, MSIX, NONE | TRIGGER, 0, 4, NULL));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(!i, fired(self->fd[i], 0));
}

/* With holes, in one call. */
TEST_F(irq, msix_sparse)
{
	struct vc *c = &self->c;
	int fd[4] = { self->fd[0], -1, self->fd[2], -1 }, i;

	OK(vc_irqs(c, MSIX, EVENT | TRIGGER, 0, 4, fd));
	OK(vc_irqs(c, MSIX, NONE | TRIGGER, 0, 4, NULL));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(fd[i] >= 0, fired(self->fd[i], 0));
	/* MSI-X on: INTx must wait until it is off. */
	EXPECT_EQ(-EINVAL, vc_irqs(c, INTX, EVENT | TRIGGER, 0, 1, fd));
	OK(vc_irqs(c, MSIX, NONE | TRIGGER, 0, 0, NULL));
	OK(vc_irqs(c, INTX, EVENT | TRIGGER, 0, 1, fd));
}

/*
 * A VMM switches MSI-X off and on when the guest uses one more vector. What is
 * raised in between must come when it is on again.
 */
TEST_F(irq, msix_off_and_on_loses_nothing)
{
	struct vc *c = &self->c;

	OK(vc_irqs(c, MSIX, EVENT | TRIGGER, 0, 3, self->fd));
	OK(vc_start(c, FEATURES));
	tx_done(_metadata, c, 1);
	EXPECT_EQ(1, fired(self->fd[2], WAIT_MS));
	OK(vc_irqs(c, MSIX, NONE | TRIGGER, 0, 0, NULL));
	tx_done(_metadata, c, 2);
	usleep(100000);
	EXPECT_EQ(0, fired(self->fd[2], 0));
	OK(vc_irqs(c, MSIX, EVENT | TRIGGER, 0, 4, self->fd));
	EXPECT_EQ(1, fired(self->fd[2], WAIT_MS));
	EXPECT_EQ(0, fired(self->fd[1], 0));
	/* By INTx instead: the message is not owed any more, the level is. */
	OK(vc_irqs(c, MSIX, NONE | TRIGGER, 0, 0, NULL));
	tx_done(_metadata, c, 3);
	OK(vc_irqs(c, INTX, EVENT | TRIGGER, 0, 1, &self->fd[0]));
	EXPECT_EQ(1, fired(self->fd[0], WAIT_MS));
	EXPECT_EQ(0, vc_get(c, 1, 0x1000, 1));
}

/* An eventfd that is closed by its owner stays valid for us. */
TEST_F(irq, msix_closed_eventfd)
{
	struct vc *c = &self->c;
	int fd = eventfd(0, EFD_NONBLOCK), keep = dup(fd);

	OK(vc_msix(c, 3, fd));
	close(fd);
	OK(vc_irqs(c, MSIX, NONE | TRIGGER, 3, 1, NULL));
	EXPECT_EQ(1, fired(keep, 0));
	close(keep);
	OK(vc_irqs(c, MSIX, NONE | TRIGGER, 3, 1, NULL));
}

/* --- the request ---------------------------------------------------------------- */

TEST_F(irq, request_forms)
{
	struct vc *c = &self->c;
	uint8_t on = 1, off = 0;
	int fd = self->fd[0];

	EXPECT_EQ(-EINVAL, vc_irqs(c, REQ, NONE | TRIGGER, 0, 1, NULL));
	OK(vc_irqs(c, REQ, BOOL | TRIGGER, 0, 1, &on));
	OK(vc_irqs(c, REQ, EVENT | TRIGGER, 0, 1, &fd));
	OK(vc_irqs(c, REQ, NONE | TRIGGER, 0, 1, NULL));
	EXPECT_EQ(1, fired(fd, 0));
	OK(vc_irqs(c, REQ, BOOL | TRIGGER, 0, 1, &on));
	EXPECT_EQ(1, fired(fd, 0));
	OK(vc_irqs(c, REQ, BOOL | TRIGGER, 0, 1, &off));
	EXPECT_EQ(0, fired(fd, 0));
	EXPECT_EQ(-EINVAL, vc_irqs(c, REQ, EVENT | TRIGGER, 0, 1,
				   (int[]){ -2 }));
	OK(vc_irqs(c, REQ, NONE | TRIGGER, 0, 0, NULL));
	EXPECT_EQ(-EINVAL, vc_irqs(c, REQ, NONE | TRIGGER, 0, 1, NULL));
}

VFIO_HARNESS_MAIN
