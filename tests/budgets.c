/*
 * budgets.c: what a request costs is what its model allows, call by call, and
 * no call besides. Counts are exact (probe/hold.c), so they are compared for
 * equality: a server that needs less than its budget has a wrong budget.
 *
 * Environment, beside SERVER:
 *	BUDGET	"epoll_wait=1/k, read=1, write=1, total=2 + 1/k", as in the chapter's README;
 *		an item may begin with "<=". A call that is not named may cost nothing;
 *		"operations", a ring's, are judged only where named.
 *	HOLD	"none": the server's threads can't be held through one connection
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "../tools/probe/tool.h"
#include "support.h"

enum { NAMES_MAX = 64 };

struct item {
	char name[32];
	struct budget budget;
};

static struct item items[NAMES_MAX];
static size_t item_count;

static bool is_name(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* "NAME=EXPRESSION"; an expression ends at a comma, or where the next name with its equals sign begins. */
static const char *next_item(const char *p)
{
	const char *equals = strchr(p, '='), *end;
	char expression[64];
	struct item *item = &items[item_count++];

	if (!equals || item_count == NAMES_MAX)
		probe_fail("BUDGET is no list of NAME=EXPRESSION: \"%s\"", p);
	snprintf(item->name, sizeof(item->name), "%.*s", (int)(equals - p), p);
	for (end = equals + 1; *end && *end != ','; end++) {
		const char *word = end;

		while (is_name(*word))
			word++;
		if (*word == '=' && word > end && !is_name(end[-1]))
			break;
	}
	snprintf(expression, sizeof(expression), "%.*s", (int)(end - equals - 1), equals + 1);
	for (size_t last = strlen(expression); last > 0 && isspace((unsigned char)expression[last - 1]); last--)
		expression[last - 1] = '\0';
	if (!budget_parse(expression, &item->budget))
		probe_fail("BUDGET gives %s \"%s\", which is no sum of numbers and numbers/k", item->name, expression);
	return end + strspn(end, ", ");
}

static void read_budget(void)
{
	const char *p = getenv("BUDGET");

	if (!p || !*p)
		probe_fail("the environment names no BUDGET");
	while (*p)
		p = next_item(p + strspn(p, " "));
}

static const struct budget *budget_of(const char *name)
{
	static const struct budget nothing;

	for (size_t i = 0; i < item_count; i++)
		if (strcmp(items[i].name, name) == 0)
			return &items[i].budget;
	return &nothing;
}

static void expect_price(const char *name, double per_request, size_t k)
{
	const struct budget *b = budget_of(name);
	char allowed[64];

	budget_print(b, allowed, sizeof(allowed));
	if (!budget_holds(b, per_request, k, 0))
		probe_fail("at k = %zu a request costs %.3f %s%s, but its budget is %s = %.3f", k, per_request, name,
			   strcmp(name, "total") == 0 ? "" : " calls", allowed, budget_at(b, k));
}

static double price_of(const struct price *prices, int count, const char *name)
{
	if (strcmp(name, "total") == 0)
		return price_total(prices, count);
	for (int i = 0; i < count; i++)
		if (strcmp(prices[i].name, name) == 0)
			return prices[i].per_request;
	return 0;
}

static void expect_budget(size_t k)
{
	const char *hold = getenv("HOLD"), *why;
	bool held = !hold || strcmp(hold, "none") != 0;
	struct price prices[NAMES_MAX];

	read_budget();
	given("%zu clients are connected, and the server is traced", k);
	struct server *s = server_start_traced();
	struct count_options o = {
		.k = k, .rounds = 5, .hold = held ? &hold_spin : NULL, .request = "PING\r\n", .reply_size = 7
	};
	int count = server_price(s, &o, prices, NAMES_MAX, &why);
	if (count < 0)
		probe_fail("%s", why);
	expect("a request costs what the budget says when %zu are ready at once, and no call besides", k);
	for (int i = 0; i < count; i++)
		if (strcmp(prices[i].name, PRICE_OPERATIONS) != 0)
			expect_price(prices[i].name, prices[i].per_request, k);
	for (size_t i = 0; i < item_count; i++)
		expect_price(items[i].name, price_of(prices, count, items[i].name), k);
	journal_note("total", "%.4f", price_total(prices, count));
	server_stop(s);
	journal_pass();
}

BLACK_BOX_SUITE(budgets);

Test(budgets, at_k_1)
{
	expect_budget(1);
}

Test(budgets, at_k_8)
{
	expect_budget(8);
}

Test(budgets, at_k_64)
{
	expect_budget(64);
}
