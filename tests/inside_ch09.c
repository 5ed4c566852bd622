/*
 * inside_ch09.c: looks at a completion port from inside its workers: from
 * outside it can't be seen who holds a slot. A program of its own, so that the
 * port it is linked with can't reach its judge: it plays one scene, and prints
 * what it saw as lines "WORD VALUE…". tests/ch09.c runs and judges it.
 *
 *	inside SCENE [WORKERS CONCURRENCY COUNT]
 *
 * Steps wait for one another by semaphores, or until all threads sleep. What
 * never comes is told by an alarm: "stuck WHERE". io_uring_submit() is its
 * own: the port calls it with its lock held.
 */
#include <dirent.h>
#include <liburing.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "port.h"

enum {
	WORKERS_MAX = 64,
	JOBS_MAX = 10000,
	BOUND_S = 6, /* of a scene, all of which are over in a fraction of it */
	BLOCK_EVERY = 7,
};

/* What a worker does with a completion. */
enum task {
	PASS,  /* nothing, but to let others run */
	BRIEF, /* blocks, tells the port, and comes back at once */
	HOLD,  /* keeps its slot until the gate opens, and tells nobody */
	BLOCK, /* tells the port, and blocks until the gate opens */
};

struct job {
	struct operation operation; /* first: a completion is found by it */
	enum task task;
	const char *name; /* NULL: not told */
	atomic_int seen;
	sem_t gate;
};

static struct port *port;
static struct job jobs[JOBS_MAX];
static pthread_t workers[WORKERS_MAX];
static int worker_count;
static atomic_int holders, most_holders, blocked, most_blocked, coming_back, handed_out;
static sem_t one_done, go; /* go: who is to block may do so */
static const char *volatile where = "at the start";

static void raise_to(atomic_int *most, int value)
{
	for (int known = *most; known < value && !atomic_compare_exchange_weak(most, &known, value);)
		;
}

static void begin_to_hold(void)
{
	raise_to(&most_holders, ++holders);
}

/* ---- the workers ---- */

static void block(struct job *j)
{
	if (j->task == BLOCK)
		sem_wait(&go);
	holders--;
	port_block(port);
	raise_to(&most_blocked, ++blocked);
	if (j->task == BLOCK)
		sem_wait(&j->gate);
	else
		sched_yield();
	blocked--;
	coming_back++;
	port_unblock(port);
	coming_back--;
	begin_to_hold();
}

static void play(struct job *j, long number)
{
	if (j->operation.kind == PORT_RECV)
		port_give(port, &j->operation);
	if (j->name)
		printf("begins %s %ld\n", j->name, number);
	if (j->task == BLOCK || j->task == BRIEF)
		block(j);
	else if (j->task == HOLD)
		sem_wait(&j->gate);
	else
		sched_yield();
	if (j->name)
		printf("ends %s %ld\n", j->name, number);
}

static void *work(void *argument)
{
	struct operation *o;

	while ((o = port_wait(port))) {
		struct job *j = (struct job *)(void *)o;
		begin_to_hold();
		handed_out++;
		j->seen++;
		play(j, (long)argument);
		holders--;
		sem_post(&one_done);
	}
	return NULL;
}

/* ---- until all threads sleep ---- */

/* The state of a thread of ours, and how often it has been switched away from; false when it runs. */
static bool sleeps(const char *tid, unsigned long *switches)
{
	char path[300], line[200], state = 'R';
	unsigned long count;

	snprintf(path, sizeof(path), "/proc/self/task/%s/status", tid);
	FILE *file = fopen(path, "re");
	if (!file)
		return false;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "State: %c", &state) == 1)
			continue;
		if (sscanf(line, "voluntary_ctxt_switches: %lu", &count) == 1)
			*switches += count;
	}
	fclose(file);
	return state == 'S';
}

/* True where all threads but this one sleep; *switches is the sum of theirs. */
static bool all_sleep(unsigned long *switches)
{
	DIR *tasks = opendir("/proc/self/task");
	bool all = true;

	*switches = 0;
	for (struct dirent *entry; tasks && (entry = readdir(tasks));)
		if (entry->d_name[0] != '.' && atoi(entry->d_name) != gettid())
			all &= sleeps(entry->d_name, switches);
	closedir(tasks);
	return all;
}

/* Twice, a millisecond apart, and nobody has run between. Bounded by the alarm. */
static void quiet(const char *step)
{
	unsigned long before, after;

	where = step;
	do {
		while (!all_sleep(&before))
			usleep(500);
		usleep(1000);
	} while (!all_sleep(&after) || before != after);
}

/* What never comes: where it did not come, and what can be told of the others. */
static void on_alarm(int signal)
{
	char text[300], back[80] = "";
	unsigned long switches;

	if (coming_back)
		snprintf(back, sizeof(back), ", %d of its workers in port_unblock", coming_back);
	int size = snprintf(text, sizeof(text), "stuck %s%s%s; completions handed out: %d\n", where, back,
			    all_sleep(&switches) ? "" : ", and a thread is looping", handed_out);
	(void)signal;
	_exit(write(STDOUT_FILENO, text, (size_t)size) == size ? 3 : 4);
}

/* port.c's, which calls it with its lock held. What a scene does meanwhile. */
static void (*meanwhile)(void);

int io_uring_submit(struct io_uring *ring)
{
	int submitted = io_uring_submit_and_wait(ring, 0);

	if (meanwhile)
		meanwhile();
	return submitted;
}

/* ---- steps ---- */

static void start_worker(void)
{
	long number = ++worker_count;

	if (pthread_create(&workers[number - 1], NULL, work, (void *)number))
		exit(2);
}

static void start_workers(int count)
{
	while (worker_count < count)
		start_worker();
	if (worker_count)
		quiet("while the workers go to wait");
}

static struct job *post(int i, enum task task, const char *name)
{
	struct job *j = &jobs[i];

	j->task = task;
	j->name = name;
	j->seen = 0;
	sem_init(&j->gate, 0, 0);
	port_post(port, &j->operation, j, i);
	return j;
}

static void await_done(int count, const char *step)
{
	where = step;
	while (count-- > 0)
		while (sem_wait(&one_done))
			;
}

static void end(void)
{
	where = "when the port is closed: a worker does not return from port_wait";
	port_close(port);
	for (int i = 0; i < worker_count; i++)
		pthread_join(workers[i], NULL);
	where = "when the port is freed";
	port_free(port);
	puts("end");
}

/* ---- scenes ---- */

/* One operation of each kind; this thread is the worker. */
static void show(const char *step)
{
	static const char *const kinds[] = { "accept", "recv", "send", "timer", "post" };

	where = step;
	struct operation *o = port_wait(port);
	if (!o)
		printf("none\n");
	else
		printf("%s %s %d %.*s\n", kinds[o->kind], o->key ? (char *)o->key : "-", o->result,
		       o->bytes && o->result > 0 ? o->result : 0, o->bytes && o->result > 0 ? o->bytes : "");
	if (o && o->kind == PORT_RECV)
		port_give(port, o);
}

static void operations(void)
{
	static struct operation first, second;
	char bytes[8] = "";
	int ends[2];

	quiet("before anything was started: its thread does not come to rest");
	where = "in port_associate: another thread sleeps, and holds the port's lock";
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) || port_associate(port, ends[0], "A"))
		exit(2);
	port_recv(port, ends[0], &first);
	if (write(ends[1], "hello", 5) != 5)
		exit(2);
	show("in port_wait, although bytes have arrived for a receive");
	port_send(port, ends[0], &first, "world", 5);
	show("in port_wait, although a send is done");
	if (read(ends[1], bytes, sizeof(bytes) - 1) != 5)
		exit(2);
	printf("sent %s\n", bytes);
	port_timer(port, &second, 1);
	show("in port_wait, although a timer has run out");
	port_post(port, &second, "B", 42);
	show("in port_wait, although a completion was posted");
	port_recv(port, -1, &second);
	show("in port_wait, although a receive has failed");
	port_recv(port, ends[0], &first);
	close(ends[1]);
	show("in port_wait, although the peer has closed");
	end();
}

/* COUNT completions, every seventh of which blocks for a moment. */
static void many(int count)
{
	int twice = 0;

	for (int i = 0; i < count; i++)
		post(i, i % BLOCK_EVERY ? PASS : BRIEF, NULL);
	await_done(count, "until all completions are dealt with");
	for (int i = 0; i < count; i++)
		twice += jobs[i].seen > 1;
	printf("handed_out %d\ntwice %d\nholders %d\n", handed_out, twice, most_holders);
	end();
}

/* COUNT receives, the bytes of which are there at once. */
static void burst(int count)
{
	int ends[2], twice = 0;

	for (int i = 0; i < count; i++) {
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) || write(ends[1], "x", 1) != 1)
			exit(2);
		jobs[i].task = PASS;
		port_recv(port, ends[0], &jobs[i].operation);
	}
	await_done(count, "until every receive is handed out, although bytes are there for all");
	for (int i = 0; i < count; i++)
		twice += jobs[i].seen > 1;
	printf("handed_out %d\ntwice %d\n", handed_out, twice);
	end();
}

/* COUNT receives of one socket, whose end completes them all at once; none is finished. */
static void together(int count)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
		exit(2);
	for (int i = 0; i < count; i++) {
		jobs[i].task = HOLD;
		sem_init(&jobs[i].gate, 0, 0);
		port_recv(port, ends[0], &jobs[i].operation);
	}
	quiet("while receives wait");
	close(ends[1]);
	quiet("while slots are held");
	printf("holders %d\n", holders);
	for (int i = 0; i < count; i++)
		sem_post(&jobs[i].gate);
	await_done(count, "until all completions are dealt with, one after the other");
	end();
}

/* Starts a receive whose byte is there: it completes, and `act` is done, while port_recv() has the lock. */
static void receive_and(struct job *j, void (*act)(void))
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) || write(ends[1], "x", 1) != 1)
		exit(2);
	meanwhile = act;
	port_recv(port, ends[0], &j->operation);
	meanwhile = NULL;
}

static void see_whether_it_completes(void)
{
	quiet("in port_recv: the port's thread does not come to rest");
	printf("touched %d\n", jobs[0].operation.result != INT_MIN);
}

static void locked(int count)
{
	jobs[0].operation.result = INT_MIN;
	receive_and(&jobs[0], see_whether_it_completes);
	await_done(count, "until a receive is handed out");
	end();
}

static void see_whether_it_blocks(void)
{
	sem_post(&go);
	quiet("in port_block");
	printf("blocked %d\n", blocked);
}

static void see_whether_it_comes_back(void)
{
	sem_post(&jobs[0].gate);
	quiet("in port_unblock");
	printf("back %d\n", !coming_back);
}

/* A worker goes to block, and comes back, while this thread has the lock. */
static void aside(int count)
{
	post(0, BLOCK, NULL);
	quiet("before a worker blocks");
	receive_and(&jobs[1], see_whether_it_blocks);
	await_done(1, "until a receive is handed out, while another worker blocks");
	quiet("before that worker comes back: another has not given its slot back");
	receive_and(&jobs[2], see_whether_it_comes_back);
	await_done(count - 1, "until a worker has come back from its block");
	end();
}

/* COUNT completions that are not finished. */
static void held(int count)
{
	for (int i = 0; i < count; i++)
		post(i, HOLD, NULL);
	quiet("while slots are held");
	printf("holders %d\n", holders);
	for (int i = 0; i < count; i++)
		sem_post(&jobs[i].gate);
	await_done(count, "until all completions are dealt with, one after the other");
	printf("handed_out %d\nmost_holders %d\n", handed_out, most_holders);
	end();
}

/* COUNT completions that block, but not before all are there; then as many that hold their slots; then the first come back. */
static void lent(int count)
{
	for (int i = 0; i < count; i++)
		post(i, BLOCK, NULL);
	for (int i = 0; i < count; i++)
		sem_post(&go);
	quiet("while workers are blocked");
	printf("blocked %d\nholders_then %d\n", blocked, holders);
	for (int i = count; i < 2 * count; i++)
		post(i, HOLD, NULL);
	quiet("while slots are held");
	printf("holders %d\n", holders);
	for (int i = 0; i < count; i++)
		sem_post(&jobs[i].gate);
	quiet("while workers come back");
	printf("holders_after %d\n", holders);
	for (int i = count; i < 2 * count; i++)
		sem_post(&jobs[i].gate);
	await_done(2 * count, "until those who came back have run");
	printf("most_holders %d\nhanded_out %d\n", most_holders, handed_out);
	end();
}

/* One slot: A blocks, then D. B holds the slot, C waits for it in the queue. A comes back, then D; then B is done. */
static void line(void)
{
	struct job *a = post(0, BLOCK, "A"), *b, *d;

	quiet("while A blocks");
	d = post(1, BLOCK, "D");
	quiet("while D blocks");
	b = post(2, HOLD, "B");
	quiet("while B holds the slot");
	post(3, PASS, "C");
	quiet("while C waits");
	sem_post(&a->gate);
	quiet("while A waits for the slot");
	sem_post(&d->gate);
	quiet("while D waits for the slot");
	sem_post(&b->gate);
	await_done(4, "until A, D, B and C are done");
	printf("holders %d\n", most_holders);
	end();
}

/* One slot, held; COUNT completions wait for it. */
static void on(int count)
{
	post(0, HOLD, "first");
	quiet("while the slot is held");
	for (int i = 1; i <= count; i++)
		post(i, PASS, "next");
	sem_post(&jobs[0].gate);
	await_done(count + 1, "until those in the queue are dealt with");
	end();
}

/* The workers went to wait in their order. COUNT completions, one at a time; then as many whose workers stay away. */
static void order(int count)
{
	for (int i = 0; i < count; i++) {
		post(i, PASS, "alone");
		quiet("after a completion");
	}
	for (int i = count; i < 2 * count; i++) {
		post(i, BLOCK, "away");
		quiet("after a completion whose worker blocks");
	}
	for (int i = count; i < 2 * count; i++) {
		sem_post(&jobs[i].gate);
		quiet("after a worker has come back");
	}
	end();
}

int main(int argc, char **argv)
{
	const char *scene = argc > 1 ? argv[1] : "";
	int threads = argc > 2 ? atoi(argv[2]) : 0, concurrency = argc > 3 ? atoi(argv[3]) : 1;
	int count = argc > 4 ? atoi(argv[4]) : 0;
	static const struct {
		const char *name;
		void (*play)(int count);
	} scenes[] = { { "many", many },     { "burst", burst }, { "together", together },
		       { "locked", locked }, { "aside", aside }, { "held", held },
		       { "lent", lent },     { "order", order }, { "on", on } };

	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGALRM, on_alarm);
	alarm(BOUND_S);
	sem_init(&one_done, 0, 0);
	sem_init(&go, 0, strcmp(scene, "lent") == 0 || strcmp(scene, "aside") == 0 ? 0 : JOBS_MAX);
	port = port_create((unsigned)concurrency);
	for (int i = 0; i < threads && strcmp(scene, "order") == 0; i++) {
		start_worker();
		quiet("while a worker goes to wait");
	}
	start_workers(threads);
	if (strcmp(scene, "operations") == 0)
		operations();
	else if (strcmp(scene, "line") == 0)
		line();
	for (size_t i = 0; i < sizeof(scenes) / sizeof(*scenes); i++)
		if (strcmp(scene, scenes[i].name) == 0)
			scenes[i].play(count);
	return 0;
}
