/*
 * budget.c: what a model may cost, written as the lessons write it: "2 + 1/k".
 */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

static const char *skip_spaces(const char *p)
{
	while (isspace((unsigned char)*p))
		p++;
	return p;
}

/* One number, or one number "/k". Returns what follows, or NULL. */
static const char *parse_term(const char *p, struct budget *b)
{
	char *end;
	double number = strtod(p, &end);

	if (end == p || number < 0)
		return NULL;
	p = skip_spaces(end);
	if (*p != '/') {
		b->constant += number;
		return p;
	}
	p = skip_spaces(p + 1);
	if (*p != 'k')
		return NULL;
	b->per_batch += number;
	return skip_spaces(p + 1);
}

bool budget_parse(const char *text, struct budget *b)
{
	static const char at_most[] = "≤";
	const char *p = skip_spaces(text);

	*b = (struct budget){ .constant = 0 };
	if (strncmp(p, "<=", 2) == 0 || strncmp(p, at_most, strlen(at_most)) == 0) {
		b->at_most = true;
		p += *p == '<' ? 2 : strlen(at_most);
	}
	for (;;) {
		p = parse_term(skip_spaces(p), b);
		if (!p)
			return false;
		if (*p != '+')
			return *p == '\0';
		p++;
	}
}

double budget_at(const struct budget *b, size_t k)
{
	return b->constant + b->per_batch / (double)k;
}

bool budget_holds(const struct budget *b, double per_request, size_t k, double tolerance)
{
	double over = (per_request - budget_at(b, k)) * (double)k;

	return over <= tolerance + 1e-6 && (b->at_most || over >= -tolerance - 1e-6);
}

struct budget budget_sum(const struct budget *a, const struct budget *b)
{
	return (struct budget){ .constant = a->constant + b->constant,
				.per_batch = a->per_batch + b->per_batch,
				.at_most = a->at_most || b->at_most };
}

void budget_print(const struct budget *b, char *to, size_t size)
{
	const char *sign = b->at_most ? "≤ " : "";

	if (b->per_batch == 0)
		snprintf(to, size, "%s%g", sign, b->constant);
	else if (b->constant == 0)
		snprintf(to, size, "%s%g/k", sign, b->per_batch);
	else
		snprintf(to, size, "%s%g + %g/k", sign, b->constant, b->per_batch);
}
