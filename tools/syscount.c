/*
 * syscount: how many times a request crosses the kernel boundary, by batch
 * size. Exact: it counts the system calls of held batches (probe/hold.c), and
 * says so where it can't.
 *
 * Exit status: 0 done, 1 over budget or not countable, 2 usage, 77 skipped.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe.h"
#include "tool.h"

enum {
	COLUMNS_MAX = 8, /* batch sizes in one table */
	ROWS_MAX = 64,	 /* different calls in one table */
};

struct allowance {
	char name[32];
	struct budget budget;
};

static struct {
	size_t batches[COLUMNS_MAX], columns;
	struct count_options count;
	bool append;
	struct allowance budget[ROWS_MAX];
	size_t budgeted;
	const char *predicted, *tsv, *model;
	size_t chapter;
} opt = {
	.batches = { 1, 8, 64 },
	.columns = 3,
	.count = { .rounds = 5, .request = "PING\r\n", .reply_size = 7 },
	.model = "-",
};

/* The table: a row for each call, a column for each k. */
struct line {
	char name[32];
	double cells[COLUMNS_MAX];
};
static struct line lines[ROWS_MAX];
static size_t line_count;
static bool counted[COLUMNS_MAX]; /* false: `whys` says why not */
static const char *whys[COLUMNS_MAX];
static double unheld = -1; /* the total at k = 1 without a hold, where that was counted too */

/* ---- the command line ---- */

static void parse_batches(char *list)
{
	opt.columns = 0;
	for (char *k = strtok(list, ","); k; k = strtok(NULL, ",")) {
		if (opt.columns == COLUMNS_MAX)
			tool_usage("--batch takes no more sizes", k);
		opt.batches[opt.columns++] = tool_number("--batch", k, 1);
	}
	if (opt.columns == 0)
		tool_usage("--batch", "no size");
}

static void parse_budget(char *list)
{
	for (char *item = strtok(list, ","); item; item = strtok(NULL, ",")) {
		struct allowance *a = &opt.budget[opt.budgeted++];
		char *equals = strchr(item, '=');

		if (opt.budgeted == ROWS_MAX || !equals || !budget_parse(equals + 1, &a->budget))
			tool_usage("--budget", item);
		item += strspn(item, " ");
		snprintf(a->name, sizeof(a->name), "%.*s", (int)strcspn(item, " ="), item);
	}
}

static char *batch_list, *budget_list, *hold_command;
static bool hold_sleeps, hold_answers;
static size_t tolerance;

static const struct tool_option table[] = {
	{ "batch", OPTION_TEXT, &batch_list, 0, "K[,K...]", "batch sizes (1,8,64)" },
	{ "rounds", OPTION_NUMBER, &opt.count.rounds, 1, "N", "rounds that must agree (5)" },
	{ "idle", OPTION_NUMBER, &opt.count.idle, 0, "N", "silent connections besides (0)" },
	{ "request", OPTION_BYTES, &opt.count.request, 0, "TEXT", "what one connection sends (PING\\r\\n)" },
	{ "reply-size", OPTION_NUMBER, &opt.count.reply_size, 1, "N", "bytes of its reply (7)" },
	{ "hold", OPTION_BYTES, &hold_command, 0, "COMMAND|none",
	  "what keeps the server busy while a batch is sent (SPIN %u\\r\\n; %u: microseconds, %s: seconds)" },
	{ "hold-sleeps", OPTION_FLAG, &hold_sleeps, 0, NULL, "that command waits, and burns no CPU" },
	{ "hold-answers", OPTION_FLAG, &hold_answers, 0, NULL, "that command has a reply, of one line" },
	{ "tolerance", OPTION_NUMBER, &tolerance, 0, "CALLS",
	  "rounds may differ by this many (0); then medians are shown" },
	{ "budget", OPTION_TEXT, &budget_list, 0, "LIST",
	  "what it may cost: \"epoll_wait=1/k,read=1,write=1\", \"total=<=3/k\"" },
	{ "predicted", OPTION_TEXT, &opt.predicted, 0, "X", "printed beside the total" },
	{ "tsv", OPTION_TEXT, &opt.tsv, 0, "FILE", "writes the table there too" },
	{ "append", OPTION_FLAG, &opt.append, 0, NULL, "adds to that file" },
	{ "chapter", OPTION_NUMBER, &opt.chapter, 0, "N", "for its columns" },
	{ "model", OPTION_TEXT, &opt.model, 0, "NAME", "the same" },
	{ NULL, OPTION_FLAG, NULL, 0, NULL, NULL },
};

static char *const *parse_options(int argc, char **argv)
{
	char *const *command = tool_options(
		argc, argv, "Counts the system calls that a request costs a server, for batches of k requests.\n",
		table);

	if (batch_list)
		parse_batches(batch_list);
	if (budget_list)
		parse_budget(budget_list);
	opt.count.tolerance = (double)tolerance;
	opt.count.hold = hold_from(hold_command, hold_sleeps, hold_answers);
	return command;
}

/* ---- counting ---- */

static struct line *line_of(const char *name)
{
	for (size_t i = 0; i < line_count; i++) {
		if (strcmp(lines[i].name, name) == 0)
			return &lines[i];
	}
	if (line_count == ROWS_MAX)
		probe_fail("more than %d different system calls", ROWS_MAX);
	snprintf(lines[line_count].name, sizeof(lines[0].name), "%s", name);
	return &lines[line_count++];
}

static void count_column(struct server *s, size_t column)
{
	struct price prices[ROWS_MAX];
	struct count_options o = opt.count;
	int count;

	o.k = opt.batches[column];
	count = server_price(s, &o, prices, ROWS_MAX, &whys[column]);
	counted[column] = count >= 0;
	if (count < 0)
		whys[column] = strdup(whys[column]); /* the probe's own buffer is used again */
	for (int i = 0; i < count; i++)
		line_of(prices[i].name)->cells[column] = prices[i].per_request;
	if (count >= 0)
		line_of("total")->cells[column] = price_total(prices, count);
}

/* The cross-check: one request alone, without a hold. A hold that answers has been checked so already. */
static void count_unheld(struct server *s)
{
	struct price prices[ROWS_MAX];
	struct count_options o = opt.count;
	const char *why;
	int count;

	if (!o.hold || o.hold->answers || opt.batches[0] != 1)
		return;
	o.k = 1;
	o.hold = NULL;
	count = server_price(s, &o, prices, ROWS_MAX, &why);
	unheld = count < 0 ? -1 : price_total(prices, count);
}

/* Calls by name, then the total, then what a ring was given to do. */
static int line_rank(const struct line *l)
{
	return strcmp(l->name, "total") == 0 ? 1 : strcmp(l->name, PRICE_OPERATIONS) == 0 ? 2 : 0;
}

static int by_rank(const void *a, const void *b)
{
	int difference = line_rank(a) - line_rank(b);

	return difference ? difference : strcmp(((const struct line *)a)->name, ((const struct line *)b)->name);
}

/* ---- the budget ---- */

static const struct budget *budget_of(const char *name)
{
	static struct budget sum;

	for (size_t i = 0; i < opt.budgeted; i++) {
		if (strcmp(opt.budget[i].name, name) == 0)
			return &opt.budget[i].budget;
	}
	if (opt.budgeted == 0 || strcmp(name, "total") != 0)
		return NULL;
	sum = (struct budget){ .constant = 0 };
	for (size_t i = 0; i < opt.budgeted; i++) {
		if (strcmp(opt.budget[i].name, PRICE_OPERATIONS) != 0)
			sum = budget_sum(&sum, &opt.budget[i].budget);
	}
	return &sum;
}

static bool within_budget(const struct line *l, const struct budget *b)
{
	for (size_t c = 0; c < opt.columns; c++) {
		if (!counted[c] || !budget_holds(b, l->cells[c], opt.batches[c], opt.count.tolerance))
			return false;
	}
	return true;
}

/* Calls that a budget names and the server never made are a row of zeros, and judged. */
static void add_budgeted_lines(void)
{
	for (size_t i = 0; i < opt.budgeted; i++)
		line_of(opt.budget[i].name);
	line_of("total");
	qsort(lines, line_count, sizeof(lines[0]), by_rank);
}

/* ---- the table ---- */

/* Halves are rounded up (0.125 is 0.13), and there is no -0.00. */
static double shown(double x)
{
	return floor(x * 100 + 0.5 + 1e-6) / 100 + 0.0;
}

static void print_title(void)
{
	printf("  %-23s", "crossings per request");
	for (size_t c = 0; c < opt.columns; c++) {
		char k[24];

		snprintf(k, sizeof(k), "k=%zu", opt.batches[c]);
		printf("%7s", k);
	}
	printf("%s\n", opt.budgeted ? "     budget" : "");
}

/* Returns whether the line keeps to its budget; true where it has none. */
static bool print_line(const struct line *l)
{
	const struct budget *b = budget_of(l->name);
	bool total = strcmp(l->name, "total") == 0, holds = !b || within_budget(l, b);
	char allowed[64] = "";

	printf("    %-21s", l->name);
	for (size_t c = 0; c < opt.columns; c++) {
		if (counted[c])
			printf("%7.2f", shown(l->cells[c]));
		else
			printf("%7s", "-");
	}
	if (b)
		budget_print(b, allowed, sizeof(allowed));
	if (b && (total || !holds))
		printf("     %s%*s%s", allowed, (int)(9 > strlen(allowed) ? 9 - strlen(allowed) : 1), "",
		       holds ? "✓" : "✗");
	else if (b)
		printf("     %s", allowed);
	if (total && opt.predicted)
		printf("      you predicted %s", opt.predicted);
	putchar('\n');
	return holds;
}

static void print_remarks(void)
{
	const struct line *total = line_of("total");

	for (size_t c = 0; c < opt.columns; c++) {
		if (!counted[c])
			printf("  %s\n", whys[c]);
	}
	if (!opt.count.hold)
		printf("  counted without a hold: a thread per connection can't be held through one of them\n");
	if (opt.count.tolerance > 0)
		printf("  medians of %zu rounds that may differ by %g calls\n", opt.count.rounds, opt.count.tolerance);
	if (unheld >= 0 && counted[0] && fabs(unheld - total->cells[0]) > opt.count.tolerance + 1e-6)
		printf("  a request that finds the server asleep costs %.2f in all\n", shown(unheld));
}

static bool print_table(void)
{
	bool holds = true;

	print_title();
	for (size_t i = 0; i < line_count; i++)
		holds &= print_line(&lines[i]);
	print_remarks();
	return holds;
}

static void write_tsv(void)
{
	static const char *const versions[] = { "strace --version", NULL };
	FILE *f = results_open(opt.tsv, opt.append, versions, "chapter\tmodel\tk\tsyscall\tper_request");

	for (size_t c = 0; c < opt.columns; c++) {
		for (size_t i = 0; counted[c] && i < line_count; i++)
			fprintf(f, "%zu\t%s\t%zu\t%s\t%.4f\n", opt.chapter, opt.model, opt.batches[c], lines[i].name,
				lines[i].cells[c]);
	}
	if (fclose(f) != 0)
		probe_fail("%s could not be written whole", opt.tsv);
}

int main(int argc, char **argv)
{
	struct server_options options = { .argv = parse_options(argc, argv), .strace = "" };
	struct server *s;
	bool holds, all = true;

	probe_handle_signals();
	s = server_start(&options);
	for (size_t c = 0; c < opt.columns; c++) {
		count_column(s, c);
		all &= counted[c];
	}
	if (all)
		count_unheld(s);
	add_budgeted_lines();
	holds = print_table();
	if (opt.tsv)
		write_tsv();
	if (!all && holds && server_is_polled(s)) {
		fprintf(stderr, "this machine is too busy to count a server that a thread of the kernel's polls for\n");
		return TOOL_SKIPPED;
	}
	return all && holds ? TOOL_DONE : TOOL_FAILED;
}
