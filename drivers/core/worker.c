// SPDX-License-Identifier: GPL-2.0-only
/*
 * Workers: threads that serve queues.
 *
 * Two kinds behind one face: a vhost_task, which is a thread of the process
 * that owns the device (its mm, cgroups and limits apply, and it dies with it),
 * and a kernel thread, with or without a borrowed mm.
 */
#include <linux/cgroup.h>
#include <linux/completion.h>
#include <linux/cred.h>
#include <linux/kcov.h>
#include <linux/kthread.h>
#include <linux/mmu_context.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/vhost_task.h>
#include <linux/slab.h>

#include <trivio/worker.h>

#define WORK_QUEUED	0

/**
 * struct trivio_worker - a thread and its list of work
 * @list: work, newest first; producers in any context
 * @kind: which of the two threads below exists
 * @vtsk: TRIVIO_WORKER_TASK
 * @task: TRIVIO_WORKER_KTHREAD
 * @mm: mm that the kernel thread borrows, or NULL; a reference (mmgrab)
 * @cred: with @mm: credentials of the owner, or NULL; a reference
 * @memlock: with @mm: the owner's RLIMIT_MEMLOCK when the thread was made
 * @pid: for people, in the initial namespace
 * @thread: the thread while it runs work, to be compared and nothing else
 * @killed: the owner was killed, nothing runs any more; under @lock
 * @lock: protects @killed against a flush
 * @ref: users
 * @kcov: where coverage of the work is reported
 */
struct trivio_worker {
	struct llist_head list;
	enum trivio_worker_kind kind;
	struct vhost_task *vtsk;
	struct task_struct *task;
	struct mm_struct *mm;
	const struct cred *cred;
	struct rlimit memlock;
	pid_t pid;
	struct task_struct *thread;
	bool killed;
	struct mutex lock;
	refcount_t ref;
	u64 kcov;
};

struct flush_work {
	struct trivio_work work;
	struct completion done;
};

static bool worker_run(struct trivio_worker *w)
{
	struct trivio_work *work, *next;
	struct llist_node *node;

	node = llist_del_all(&w->list);
	if (!node)
		return false;

	__set_current_state(TASK_RUNNING);
	node = llist_reverse_order(node);
	kcov_remote_start_common(w->kcov);
	llist_for_each_entry_safe(work, next, node, node) {
		/*
		 * Cleared before the work looks at anything: what is queued
		 * from here on must be seen or run again. Pairs with the
		 * test_and_set_bit() in trivio_worker_queue().
		 */
		clear_bit(WORK_QUEUED, &work->flags);
		smp_mb__after_atomic();	/* as said above */
		work->fn(work);
		cond_resched();
	}
	kcov_remote_stop();
	return true;
}

static bool worker_task_fn(void *data)
{
	return worker_run(data);
}

/*
 * The owner was killed: the thread ends after this. What was queued before
 * @killed was set runs here, still under the owner's mm, so that a flush that
 * already waits comes to its end. What is queued later never runs.
 */
static void worker_task_killed(void *data)
{
	struct trivio_worker *w = data;

	mutex_lock(&w->lock);
	w->killed = true;
	mutex_unlock(&w->lock);
	/* Another task may get its address. */
	WRITE_ONCE(w->thread, NULL);
	/* Once: who queues itself again and again would keep the thread, and its mm. */
	worker_run(w);
}

/*
 * The mm is held for one run only: a reference for the life of the thread would
 * keep a dead process's memory for as long as the device is open.
 */
static bool worker_run_mm(struct trivio_worker *w)
{
	bool did, mm;

	if (llist_empty(&w->list))
		return false;
	__set_current_state(TASK_RUNNING);
	mm = w->mm && mmget_not_zero(w->mm);
	if (mm)
		kthread_use_mm(w->mm);
	did = worker_run(w);
	if (mm) {
		kthread_unuse_mm(w->mm);
		mmput(w->mm);
	}
	return did;
}

/*
 * What is pinned for an owner is held to the owner's limit and rights, whichever
 * thread pins it. Nobody else has this thread's limits.
 */
static void worker_borrow_limits(struct trivio_worker *w)
{
	if (!w->mm)
		return;
	override_creds(w->cred);
	task_lock(current->group_leader);
	current->signal->rlim[RLIMIT_MEMLOCK] = w->memlock;
	task_unlock(current->group_leader);
}

static int worker_kthread_fn(void *data)
{
	struct trivio_worker *w = data;
	const struct cred *own = current_cred();

	/* trivio_worker_interrupt() */
	allow_kernel_signal(SIGKILL);
	worker_borrow_limits(w);
	for (;;) {
		/*
		 * Pairs with the wake-up in trivio_worker_queue(). Not interruptible:
		 * with a signal pending that would be no sleep.
		 */
		set_current_state(TASK_IDLE);
		if (kthread_should_stop()) {
			__set_current_state(TASK_RUNNING);
			break;
		}
		if (!worker_run_mm(w))
			schedule();
	}
	if (w->mm)
		revert_creds(own);
	return 0;
}

static int worker_start_task(struct trivio_worker *w, const char *name)
{
	w->vtsk = vhost_task_create(worker_task_fn, worker_task_killed, w,
				    name);
	/* Earlier kernels say no more than NULL. */
	return w->vtsk ? PTR_ERR_OR_ZERO(w->vtsk) : -ENOMEM;
}

struct pid_work {
	struct trivio_work work;
	struct trivio_worker *w;
	struct completion done;
};

static void worker_note_pid(struct trivio_work *work)
{
	struct pid_work *p = container_of(work, struct pid_work, work);

	p->w->pid = task_pid_nr(current);
	WRITE_ONCE(p->w->thread, current);
	complete(&p->done);
}

static int worker_start_kthread(struct trivio_worker *w, const char *name)
{
	struct task_struct *task;
	int err;

	task = kthread_create(worker_kthread_fn, w, "%s", name);
	if (IS_ERR(task))
		return PTR_ERR(task);
	if (w->mm) {
		err = cgroup_attach_task_all(current, task);
		if (err) {
			kthread_stop(task);
			return err;
		}
	}
	w->task = get_task_struct(task);
	return 0;
}

static void worker_free(struct trivio_worker *w)
{
	if (w->mm) {
		mmdrop(w->mm);
		put_cred(w->cred);
	}
	mutex_destroy(&w->lock);
	kfree(w);
}

/**
 * trivio_worker_create() - start a worker
 * @kind: what kind of thread
 * @name: its name, as ps shows it
 * @mm: TRIVIO_WORKER_KTHREAD: mm to run under, or NULL; with the caller's
 *	credentials and RLIMIT_MEMLOCK, as they are now
 *
 * Context: may sleep. TRIVIO_WORKER_TASK: in the process that will own it.
 *
 * Return: the worker with one reference, or an error pointer.
 */
struct trivio_worker *trivio_worker_create(enum trivio_worker_kind kind,
					   const char *name,
					   struct mm_struct *mm)
{
	struct pid_work note = { .done = COMPLETION_INITIALIZER_ONSTACK(note.done) };
	struct trivio_worker *w;
	int err;

	w = kzalloc(sizeof(*w), GFP_KERNEL_ACCOUNT);
	if (!w)
		return ERR_PTR(-ENOMEM);
	init_llist_head(&w->list);
	mutex_init(&w->lock);
	refcount_set(&w->ref, 1);
	w->kind = kind;
	w->kcov = kcov_common_handle();
	if (kind == TRIVIO_WORKER_KTHREAD && mm) {
		mmgrab(mm);
		w->mm = mm;
		w->cred = get_current_cred();
		task_lock(current->group_leader);
		w->memlock = current->signal->rlim[RLIMIT_MEMLOCK];
		task_unlock(current->group_leader);
	}

	err = kind == TRIVIO_WORKER_TASK ? worker_start_task(w, name) :
					   worker_start_kthread(w, name);
	if (err) {
		worker_free(w);
		return ERR_PTR(err);
	}

	/* The thread says who it is; a vhost_task has no other way. */
	trivio_work_init(&note.work, worker_note_pid);
	note.w = w;
	trivio_worker_queue(w, &note.work);
	if (kind == TRIVIO_WORKER_TASK)
		vhost_task_start(w->vtsk);
	else
		wake_up_process(w->task);
	wait_for_completion(&note.done);
	return w;
}
EXPORT_SYMBOL_GPL(trivio_worker_create);

/**
 * trivio_worker_get() - one more user
 * @w: worker
 */
void trivio_worker_get(struct trivio_worker *w)
{
	refcount_inc(&w->ref);
}
EXPORT_SYMBOL_GPL(trivio_worker_get);

/**
 * trivio_worker_put() - one user less; the last one ends the thread
 * @w: worker, or NULL
 *
 * Work that is still queued is run first.
 *
 * Context: may sleep; not from the worker itself.
 */
void trivio_worker_put(struct trivio_worker *w)
{
	struct trivio_work *work, *next;

	if (!w || !refcount_dec_and_test(&w->ref))
		return;

	/* Nobody can queue any more: readers of a queue's worker are RCU. */
	synchronize_rcu();
	trivio_worker_flush(w);
	if (w->kind == TRIVIO_WORKER_TASK) {
		vhost_task_stop(w->vtsk);
	} else {
		kthread_stop(w->task);
		put_task_struct(w->task);
	}
	/* Only a killed worker leaves work; another worker may get it next. */
	llist_for_each_entry_safe(work, next, llist_del_all(&w->list), node)
		clear_bit(WORK_QUEUED, &work->flags);
	worker_free(w);
}
EXPORT_SYMBOL_GPL(trivio_worker_put);

/**
 * trivio_worker_interrupt() - have a kernel thread give up what it waits for
 * @w: worker that is about to be let go of, or NULL
 *
 * A page fault of borrowed memory may be user space's to answer (userfaultfd).
 * From here on the thread's faults fail instead of waiting, so that whoever ends
 * its queues need not wait either. A vhost_task has this from its owner's end.
 *
 * Context: any that may take a siglock.
 */
void trivio_worker_interrupt(struct trivio_worker *w)
{
	if (w && w->kind == TRIVIO_WORKER_KTHREAD)
		send_sig(SIGKILL, w->task, 1);
}
EXPORT_SYMBOL_GPL(trivio_worker_interrupt);

/**
 * trivio_worker_queue() - have work run in the worker
 * @w: worker
 * @work: work; queued once however often this is called before it runs
 *
 * Context: any, interrupts off and inside an eventfd wake-up included.
 *
 * Return: true if it was queued by this call.
 */
bool trivio_worker_queue(struct trivio_worker *w, struct trivio_work *work)
{
	/* Full barrier; pairs with the clear_bit() in worker_run(). */
	if (test_and_set_bit(WORK_QUEUED, &work->flags))
		return false;

	llist_add(&work->node, &w->list);
	if (w->kind == TRIVIO_WORKER_TASK)
		vhost_task_wake(w->vtsk);
	else if (w->task)
		wake_up_process(w->task);
	return true;
}
EXPORT_SYMBOL_GPL(trivio_worker_queue);

static void worker_flushed(struct trivio_work *work)
{
	struct flush_work *f = container_of(work, struct flush_work, work);

	complete(&f->done);
}

/**
 * trivio_worker_flush() - wait until all that is queued now has run
 * @w: worker
 *
 * Context: may sleep; not from the worker itself, and with no lock that queued
 * work takes.
 */
void trivio_worker_flush(struct trivio_worker *w)
{
	struct flush_work flush = {
		.done = COMPLETION_INITIALIZER_ONSTACK(flush.done),
	};

	trivio_work_init(&flush.work, worker_flushed);
	mutex_lock(&w->lock);
	if (w->killed) {
		mutex_unlock(&w->lock);
		return;
	}
	trivio_worker_queue(w, &flush.work);
	mutex_unlock(&w->lock);
	wait_for_completion(&flush.done);
}
EXPORT_SYMBOL_GPL(trivio_worker_flush);

/**
 * trivio_worker_has_work() - is something waiting
 * @w: worker
 */
bool trivio_worker_has_work(struct trivio_worker *w)
{
	return !llist_empty(&w->list);
}
EXPORT_SYMBOL_GPL(trivio_worker_has_work);

/**
 * trivio_worker_is_current() - does this code run in the worker's thread
 * @w: worker
 *
 * Context: any.
 *
 * Return: true also in an interrupt that came upon the thread.
 */
bool trivio_worker_is_current(const struct trivio_worker *w)
{
	return READ_ONCE(w->thread) == current;
}
EXPORT_SYMBOL_GPL(trivio_worker_is_current);

/**
 * trivio_worker_pid() - thread id, in the initial pid namespace
 * @w: worker
 */
pid_t trivio_worker_pid(struct trivio_worker *w)
{
	return w->pid;
}
EXPORT_SYMBOL_GPL(trivio_worker_pid);
