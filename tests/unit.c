/*
 * unit.c: the kit without a server: the parser, the connection, and the one
 * part of start-up that only decides.
 *
 * The kit's sources are compiled into this file, so that the memory they ask
 * for comes from functions of ours: they count it, and fail on demand.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory that runs out when it is told to ---- */

static struct {
	size_t calls;	 /* for memory, since the count was set to 0 */
	size_t fail_at;	 /* the call that gets none; 0: all get some */
	bool fail_after; /* nor does any call after it */
	long live;	 /* blocks that are allocated and not freed */
	size_t bytes;	 /* in them */
} memory;

static bool memory_is_out(void)
{
	memory.calls++;
	return memory.fail_at &&
	       (memory.calls == memory.fail_at || (memory.fail_after && memory.calls > memory.fail_at));
}

static void *memory_taken(void *p)
{
	if (!p)
		abort();
	memory.live++;
	memory.bytes += malloc_usable_size(p);
	return p;
}

static void memory_given_back(void *p)
{
	if (!p)
		return;
	memory.live--;
	memory.bytes -= malloc_usable_size(p);
}

static void *unit_calloc(size_t count, size_t size)
{
	return memory_is_out() ? NULL : memory_taken(calloc(count, size));
}

static inline void *unit_malloc(size_t size)
{
	return memory_is_out() ? NULL : memory_taken(malloc(size));
}

static void *unit_realloc(void *p, size_t size)
{
	if (memory_is_out())
		return NULL;
	memory_given_back(p);
	return memory_taken(realloc(p, size));
}

static void unit_free(void *p)
{
	memory_given_back(p);
	free(p);
}

#define calloc(count, size) unit_calloc(count, size)
#define malloc(size)	    unit_malloc(size)
#define realloc(p, size)    unit_realloc(p, size)
#define free(p)		    unit_free(p)
#include "../chapters/common/conn.c"
#include "../chapters/common/resp.c"
#undef calloc
#undef malloc
#undef realloc
#undef free
#include "../chapters/common/options.c"
#include "../chapters/common/pace.c"
#include "../chapters/common/startup.c"
#include "unit_talk.h"

/* ---- bytes ---- */

/* Bytes as a C string would spell them, cut at 80; eight results stay valid. */
static const char *shown(const char *bytes, size_t size)
{
	static char rooms[8][400];
	static size_t turn;
	char *text = rooms[turn++ % 8], *at = text;

	for (size_t i = 0; i < size && i < 80; i++) {
		unsigned char b = (unsigned char)bytes[i];
		if (b == '\r' || b == '\n')
			at += sprintf(at, "\\%c", b == '\r' ? 'r' : 'n');
		else
			at += sprintf(at, b < ' ' || b > '~' ? "\\x%02x" : "%c", b);
	}
	sprintf(at, size > 80 ? "… (%zu bytes)" : "", size);
	return text;
}

struct bytes {
	char *data;
	size_t size, room;
};

static void add(struct bytes *b, const void *bytes, size_t size)
{
	if (b->size + size > b->room) {
		b->room = 2 * (b->room + size);
		b->data = realloc(b->data, b->room);
		cr_assert(b->data, "the test itself ran out of memory");
	}
	if (size > 0)
		memcpy(b->data + b->size, bytes, size);
	b->size += size;
}

static void add_text(struct bytes *b, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	int size = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	cr_assert(size >= 0 && (size_t)size < sizeof(text), "the test's own text is too long");
	add(b, text, (size_t)size);
}

static void add_many(struct bytes *b, char byte, size_t count)
{
	char some[1024];

	memset(some, byte, sizeof(some));
	for (; count > sizeof(some); count -= sizeof(some))
		add(b, some, sizeof(some));
	add(b, some, count);
}

static void add_bulk(struct bytes *b, const void *bytes, size_t size)
{
	add_text(b, "$%zu\r\n", size);
	add(b, bytes, size);
	add_text(b, "\r\n");
}

/* "$n\r\n", abc…zabc…, "\r\n" */
static void add_blob(struct bytes *b, size_t size)
{
	add_text(b, "$%zu\r\n", size);
	for (size_t i = 0; i < size; i++)
		add(b, &"abcdefghijklmnopqrstuvwxyz"[i % 26], 1);
	add_text(b, "\r\n");
}

/* "ECHO x" as an array of bulk strings */
static void add_array(struct bytes *b, const char *words)
{
	size_t count = 1;

	for (const char *at = words; (at = strchr(at, ' ')); at++)
		count++;
	add_text(b, "*%zu\r\n", count);
	while (count-- > 0) {
		size_t size = strcspn(words, " ");
		add_bulk(b, words, size);
		words += size + 1;
	}
}

/* "ECHO x" in the form 0, inline, or 1, an array */
static void add_request(struct bytes *b, int form, const char *words)
{
	if (form == 1)
		add_array(b, words);
	else
		add_text(b, "%s\r\n", words);
}

/* ---- what is asked, what is answered ---- */

static const struct exchange {
	const char *request, *reply;
	const char *acts; /* what the server must do for it; NULL: nothing */
} exchanges[] = {
	{ "PING", "+PONG\r\n", NULL },
	{ "ping", "+PONG\r\n", NULL },
	{ "PiNg", "+PONG\r\n", NULL },
	{ "PING hello", "$5\r\nhello\r\n", NULL },
	{ "ECHO hello", "$5\r\nhello\r\n", NULL },
	{ "echo $3", "$2\r\n$3\r\n", NULL },
	{ "ECHO \"a", "$2\r\n\"a\r\n", NULL },
	{ "BLOB 0", "$0\r\n\r\n", NULL },
	{ "BLOB 1", "$1\r\na\r\n", NULL },
	{ "blob 30", "$30\r\nabcdefghijklmnopqrstuvwxyzabcd\r\n", NULL },
	{ "BLOB 007", "$7\r\nabcdefg\r\n", NULL },
	{ "BLOB 1048577", "-ERR value is out of range\r\n", NULL },
	{ "BLOB 99999999999999999999999", "-ERR value is out of range\r\n", NULL },
	{ "BLOB -1", "-ERR value is out of range\r\n", NULL },
	{ "BLOB x", "-ERR value is out of range\r\n", NULL },
	{ "WORK 10 20", "+DONE\r\n", "work 10 20;" },
	{ "work 0 0", "+DONE\r\n", "work 0 0;" },
	{ "WORK 10000000 10000000", "+DONE\r\n", "work 10000000 10000000;" },
	{ "WORK 10000001 0", "-ERR value is out of range\r\n", NULL },
	{ "WORK 0 10000001", "-ERR value is out of range\r\n", NULL },
	{ "WORK 4294967297 0", "-ERR value is out of range\r\n", NULL },
	{ "WORK 1 1x", "-ERR value is out of range\r\n", NULL },
	{ "SPIN 7", "", "spin 7 0;" },
	{ "spin 10000000", "", "spin 10000000 0;" },
	{ "WORK 3 4", "+DONE\r\n", "work 3 4;" },
	{ "SPIN 10000001", "-ERR value is out of range\r\n", NULL },
	{ "SPIN x", "-ERR value is out of range\r\n", NULL },
	{ "CLIENT ID", ":42\r\n", NULL },
	{ "client id", ":42\r\n", NULL },
	{ "CLIENT KILL ID 42", ":0\r\n", "kill 0 0;" },
	{ "CLIENT KILL ID 99", ":0\r\n", "kill 0 0;" },
	{ "CLIENT KILL ID 0", ":0\r\n", "kill 0 0;" },
	{ "CLIENT KILL ID x", ":0\r\n", "kill 0 0;" },
	{ "CLIENT KILL ID 4294967339", ":0\r\n", "kill 0 0;" }, /* 43 + 2^32 */
	{ "client kill id 43", ":1\r\n", "kill 43 0;" },
	{ "NOPE", "-ERR unknown command 'NOPE'\r\n", NULL },
	{ "nope a b c d e f g", "-ERR unknown command 'nope'\r\n", NULL },
	{ "PINGPING", "-ERR unknown command 'PINGPING'\r\n", NULL },
	{ "PIN", "-ERR unknown command 'PIN'\r\n", NULL },
	{ "PING a b", "-ERR wrong number of arguments for 'ping' command\r\n", NULL },
	{ "ECHO", "-ERR wrong number of arguments for 'echo' command\r\n", NULL },
	{ "ECHO a b", "-ERR wrong number of arguments for 'echo' command\r\n", NULL },
	{ "BLOB", "-ERR wrong number of arguments for 'blob' command\r\n", NULL },
	{ "BLOB 1 2", "-ERR wrong number of arguments for 'blob' command\r\n", NULL },
	{ "WORK", "-ERR wrong number of arguments for 'work' command\r\n", NULL },
	{ "WORK 1", "-ERR wrong number of arguments for 'work' command\r\n", NULL },
	{ "WORK 1 2 3", "-ERR wrong number of arguments for 'work' command\r\n", NULL },
	{ "SPIN", "-ERR wrong number of arguments for 'spin' command\r\n", NULL },
	{ "SPIN 1 2", "-ERR wrong number of arguments for 'spin' command\r\n", NULL },
	{ "CLIENT", "-ERR wrong number of arguments for 'client' command\r\n", NULL },
	{ "CLIENT KILL ID 1 2", "-ERR wrong number of arguments for 'client' command\r\n", NULL },
};

enum { EXCHANGES = sizeof(exchanges) / sizeof(exchanges[0]) };

/* What a talk must come to. */
struct outcome {
	struct bytes replies;
	const char *acts;
	enum verdict verdict;
};

/* Where the replies differ, the sentence shows them from a little before the first byte that does. */
static void check_replies(const struct talk *t, const struct bytes *wanted, const char *asked, const char *in)
{
	size_t same = 0;

	while (same < t->size && same < wanted->size && t->replies[same] == wanted->data[same])
		same++;
	size_t from = same > 30 ? same - 30 : 0;
	cr_assert(same == t->size && same == wanted->size,
		  "\"%s\" (%s) was answered \"%s\" and not \"%s\" (from byte %zu on).", asked, in,
		  shown(t->replies + from, t->size - from), shown(wanted->data + from, wanted->size - from), from);
}

/* Has a talk (`how`: its sizes and seed) of `request`, and compares. `then_end`: the peer shuts down after it. */
static void check_talk(struct talk how, const struct bytes *request, bool then_end, const struct outcome *wanted)
{
	struct talk t = how;
	const char *asked = shown(request->data, request->size);
	char in[64];

	snprintf(in, sizeof(in), "first %zu bytes, then %zu at once, seed %d", how.first, how.piece, (int)how.seed);
	cr_assert(talk_begin(&t), "conn_new() returned NULL although there is memory.");
	enum verdict v = talk(&t, request->data, request->size, then_end);
	cr_assert(!t.fault, "\"%s\" (%s): %s.", asked, in, t.fault);
	check_replies(&t, &wanted->replies, asked, in);
	cr_assert(strcmp(t.acts, wanted->acts ? wanted->acts : "") == 0,
		  "\"%s\" (%s) asked the server to \"%s\" and not to \"%s\".", asked, in, t.acts,
		  wanted->acts ? wanted->acts : "");
	cr_assert(v == wanted->verdict, "\"%s\" (%s) ended in verdict %d and not %d.", asked, in, v, wanted->verdict);
	cr_assert(v != CONN_READ || (!t.c->in.data && !t.c->out.data),
		  "\"%s\" (%s) was answered, and yet an idle connection holds a buffer.", asked, in);
	talk_end(&t);
	cr_assert(memory.live == 0, "\"%s\" (%s) leaked %ld blocks.", asked, in, memory.live);
}

/* Whole, split in two at every byte, byte by byte, at random: the outcome is one. */
static void check_splits(const struct bytes *request, bool then_end, const struct outcome *wanted)
{
	for (size_t cut = 0; cut < request->size; cut++)
		check_talk((struct talk){ .first = cut }, request, then_end, wanted);
	check_talk((struct talk){ .piece = 1 }, request, then_end, wanted);
	for (uint64_t seed = 1; seed <= 5; seed++)
		check_talk((struct talk){ .seed = seed }, request, then_end, wanted);
}

/* ---- the parser ---- */

static void check_parse(const struct bytes *request, const char *words)
{
	struct request r;
	long whole = (long)request->size;

	for (size_t size = 0; size < request->size; size++)
		cr_assert(resp_parse(&r, request->data, size) == 0,
			  "The first %zu bytes of \"%s\" are not a request, but resp_parse() did not ask for more.",
			  size, shown(request->data, request->size));
	cr_assert(resp_parse(&r, request->data, request->size) == whole,
		  "resp_parse() did not take \"%s\" as a whole request.", shown(request->data, request->size));
	for (size_t i = 0; i < r.count && i < ARGS_KEPT; i++) {
		size_t size = strcspn(words, " ");
		cr_assert(r.args[i].size == size && memcmp(r.args[i].data, words, size) == 0,
			  "argument %zu of \"%s\" came out as \"%s\".", i, shown(request->data, request->size),
			  shown(r.args[i].data, r.args[i].size));
		words += size + 1;
	}
}

Test(parser, whole_and_every_prefix)
{
	for (size_t i = 0; i < EXCHANGES; i++) {
		for (int form = 0; form < 2; form++) {
			struct bytes b = { 0 };
			add_request(&b, form, exchanges[i].request);
			check_parse(&b, exchanges[i].request);
			free(b.data);
		}
	}
}

Test(parser, takes_one_request_and_leaves_the_rest)
{
	struct request r;

	cr_assert(resp_parse(&r, "PING\r\nECHO x\r\n", 14) == 6,
		  "An inline request was not told from the one that follows it.");
	cr_assert(resp_parse(&r, "*1\r\n$4\r\nPING\r\n*1\r\n", 18) == 14,
		  "An array was not told from what follows it.");
	cr_assert(r.count == 1 && r.args[0].size == 4, "The array of one element did not have one element of 4 bytes.");
}

Test(parser, words_of_a_line)
{
	struct request r;

	cr_assert(resp_parse(&r, " \t ECHO \t a\rb  \r\n", 17) == 17, "Spaces around words broke an inline request.");
	cr_assert(r.count == 2, "\" ECHO  a\\rb \" has 2 words, not %zu.", r.count);
	cr_assert(r.args[1].size == 3 && memcmp(r.args[1].data, "a\rb", 3) == 0,
		  "A carriage return inside a word is an ordinary byte.");
	cr_assert(resp_parse(&r, "PING\n", 5) == 5 && r.count == 1 && r.args[0].size == 4,
		  "A newline alone ends a line too, as in Redis.");
	cr_assert(resp_parse(&r, "A\xff\0 B\r\n", 7) == 7 && r.count == 2 && r.args[0].size == 3,
		  "NUL and 0xff are ordinary bytes of a word.");
	cr_assert(resp_parse(&r, "a b c d e f g\r\n", 15) == 15 && r.count == 7,
		  "Words beyond those kept are not counted.");
}

Test(parser, nothing_asked)
{
	static const char *const empty[] = { "\r\n", "\n", "  \r\n", "\t\n", "\r\r\n" + 1, "*0\r\n" };

	for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++) {
		struct request r;
		long size = (long)strlen(empty[i]);
		cr_assert(resp_parse(&r, empty[i], (size_t)size) == size && r.count == 0,
			  "\"%s\" asks nothing, and is to be passed over.", shown(empty[i], (size_t)size));
	}
}

static const struct {
	const char *text;
	long max, number;
} numbers[] = {
	{ "0", 0, 0 },
	{ "1", 0, -1 },
	{ "9", 5, -1 },
	{ "5", 5, 5 },
	{ "6", 5, -1 },
	{ "10", 9, -1 },
	{ "9", 9, 9 },
	{ "00012", 12, 12 },
	{ "13", 12, -1 },
	{ "20", 12, -1 },
	{ "", 9, -1 },
	{ "-0", 9, -1 },
	{ "-1", 9, -1 },
	{ "+1", 9, -1 },
	{ " 1", 9, -1 },
	{ "1 ", 9, -1 },
	{ "1.", 9, -1 },
	{ "0x1", 9, -1 },
	{ "1e1", 99, -1 },
	{ "/", 9, -1 },
	{ ":", 99, -1 },
	{ "\xb1", 99, -1 },
	{ "9223372036854775807", INT64_MAX, INT64_MAX },
	{ "9223372036854775808", INT64_MAX, -1 },
	{ "18446744073709551617", INT64_MAX, -1 },
	{ "99999999999999999999999999", INT64_MAX, -1 },
};

Test(parser, numbers)
{
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		long number = resp_number((struct slice){ numbers[i].text, strlen(numbers[i].text) }, numbers[i].max);
		cr_expect(number == numbers[i].number, "\"%s\", at most %ld, was read as %ld and not %ld.",
			  numbers[i].text, numbers[i].max, number, numbers[i].number);
	}
	cr_expect(resp_number((struct slice){ "1\0", 2 }, 9) == -1, "A NUL is not a digit.");
	cr_expect(resp_number((struct slice){ "123", 2 }, 99) == 12, "A number ends where its slice ends.");
}

Test(parser, words)
{
	static const struct {
		const char *text;
		size_t size;
		bool is;
	} cases[] = {
		{ "ping", 4, true },   { "PING", 4, true },   { "pInG", 4, true },  { "pingx", 4, true },
		{ "pin", 3, false },   { "pingx", 5, false }, { "ping", 5, false }, { "pi\0g", 4, false },
		{ "\0ing", 4, false }, { "", 0, false },      { "p)ng", 4, false }, { "0ing", 4, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_expect(resp_is((struct slice){ cases[i].text, cases[i].size }, "ping") == cases[i].is,
			  "\"%s\" (%zu bytes) %s \"ping\".", shown(cases[i].text, cases[i].size), cases[i].size,
			  cases[i].is ? "is" : "is not");
}

Test(parser, longest_line)
{
	struct bytes b = { 0 };
	struct request r;

	add_text(&b, "ECHO ");
	add_many(&b, 'x', REQUEST_MAX - 7);
	add_text(&b, "\r\n");
	cr_assert(resp_parse(&r, b.data, REQUEST_MAX) == REQUEST_MAX,
		  "A line of exactly REQUEST_MAX bytes, its end included, is a request.");
	cr_assert(resp_parse(&r, b.data, REQUEST_MAX - 1) == 0,
		  "A line that may yet end within REQUEST_MAX needs more bytes.");
	b.data[REQUEST_MAX - 1] = 'x';
	add_text(&b, "\r\n");
	cr_assert(resp_parse(&r, b.data, REQUEST_MAX) == -1,
		  "REQUEST_MAX bytes without a newline can't become a request.");
	cr_assert(resp_parse(&r, b.data, b.size) == -1,
		  "A line of more than REQUEST_MAX bytes is no request, even when its end is there.");
	free(b.data);
}

Test(parser, longest_array)
{
	struct bytes b = { 0 };
	struct request r;
	static const char head[] = "*2\r\n$4\r\nECHO\r\n$65512\r\n"; /* 14 + 8, and CRLF after 65,512: 65,536 */

	add(&b, head, sizeof(head) - 1);
	add_many(&b, 'x', REQUEST_MAX - b.size - 2);
	add_text(&b, "\r\n");
	cr_assert(resp_parse(&r, b.data, b.size) == REQUEST_MAX, "An array of exactly REQUEST_MAX bytes is a request.");
	cr_assert(r.args[1].size == 65512, "Its second element has 65,512 bytes.");
	cr_assert(resp_parse(&r, b.data, b.size - 1) == 0, "Without its last byte it needs more.");
	b.data[19] = '3';
	cr_assert(resp_parse(&r, b.data, sizeof(head) - 1) == -1 && strcmp(r.error, "too big request") == 0,
		  "A length that leads beyond REQUEST_MAX is refused at once, not when the bytes are there.");
	free(b.data);
}

/* The array "*1000" of many elements; the last of them ends `spare` bytes before REQUEST_MAX. */
static void add_almost_too_big(struct bytes *b, size_t spare)
{
	add_text(b, "*1000\r\n");
	while (b->size < REQUEST_MAX - 200)
		add_bulk(b, "0123456789012345678901234567890123456789012345678901234567890123456789", 70);
	size_t size = REQUEST_MAX - spare - b->size - 8; /* "$nnn\r\n" and "\r\n" */
	add_text(b, "$%03zu\r\n", size);
	add_many(b, 'x', size);
	add_text(b, "\r\n");
}

/* Many small elements grow past REQUEST_MAX. When that is noticed, and why, must not depend on how many bytes are there. */
Test(parser, array_of_many_elements_too_big)
{
	static const char *const tails[] = { "boom",	  "$boom",	  "$1\r\nboom", "$1\r\na\r\nboom",
					     "$12\rboom", "$999999999999" };

	for (size_t i = 0; i < 20 * sizeof(tails) / sizeof(tails[0]); i++) {
		struct bytes b = { 0 };
		struct request r;
		const char *error = NULL;
		add_almost_too_big(&b, i % 20);
		add_text(&b, "%s%s", tails[i / 20], "and so on and so on");
		cr_assert(b.size > REQUEST_MAX, "the test's own bytes are too few");
		for (size_t size = REQUEST_MAX - 60; size < b.size; size++) {
			long parsed = resp_parse(&r, b.data, size);
			cr_assert(parsed <= 0, "%zu bytes of an array that is not whole passed for a request.", size);
			cr_assert(parsed == -1 || size < REQUEST_MAX,
				  "%zu bytes are too many for a request, but resp_parse() wants more.", size);
			cr_assert(
				!error || (r.error && strcmp(r.error, error) == 0),
				"\"%s\", %zu bytes before REQUEST_MAX: of %zu bytes the error was \"%s\", of one more it is \"%s\".",
				tails[i / 20], i % 20, size - 1, error, r.error);
			error = parsed == -1 ? r.error : NULL;
		}
		free(b.data);
	}
}

Test(parser, most_elements)
{
	struct bytes b = { 0 };
	struct request r;

	add_text(&b, "*1024\r\n");
	for (size_t i = 0; i < ARGS_MAX; i++)
		add_bulk(&b, "abcde", i % 6);
	cr_assert(resp_parse(&r, b.data, b.size) == (long)b.size && r.count == ARGS_MAX,
		  "An array of ARGS_MAX elements is a request.");
	cr_assert(r.args[3].size == 3 && memcmp(r.args[3].data, "abc", 3) == 0, "The fourth of them is \"abc\".");
	cr_assert(resp_parse(&r, "*1025\r\n", 7) == -1, "An array of ARGS_MAX + 1 elements is refused at its head.");
	free(b.data);
}

/* ---- what is no request ---- */

#define BYTES(text) text, sizeof(text) - 1

static const struct {
	const char *bytes;
	size_t size;
	const char *error;
} malformed_forms[] = {
	{ BYTES("*\r\n"), "invalid multibulk length" },
	{ BYTES("*x\r\n"), "invalid multibulk length" },
	{ BYTES("*-1\r\n"), "invalid multibulk length" },
	{ BYTES("*+1\r\n"), "invalid multibulk length" },
	{ BYTES("* 1\r\n"), "invalid multibulk length" },
	{ BYTES("*1 \r\n"), "invalid multibulk length" },
	{ BYTES("*1\0\r\n"), "invalid multibulk length" },
	{ BYTES("*\0\r\n"), "invalid multibulk length" },
	{ BYTES("*\xff\r\n"), "invalid multibulk length" },
	{ BYTES("*1025\r\n"), "invalid multibulk length" },
	{ BYTES("*2147483648\r\n"), "invalid multibulk length" },
	{ BYTES("*4294967297\r\n"), "invalid multibulk length" },
	{ BYTES("*18446744073709551617\r\n"), "invalid multibulk length" },
	{ BYTES("*99999999999999999999999999999999999"), "invalid multibulk length" },
	{ BYTES("*1\n$4\nPING\n"), "invalid multibulk length" },
	{ BYTES("*1\rx"), "invalid multibulk length" },
	{ BYTES("*1\r\r\n"), "invalid multibulk length" },
	{ BYTES("*1\r\nPING\r\n"), "expected '$', got 'P'" },
	{ BYTES("*1\r\n*1\r\n$4\r\nPING\r\n"), "expected '$', got '*'" },
	{ BYTES("*1\r\n:1\r\n"), "expected '$', got ':'" },
	{ BYTES("*1\r\n\r\n"), "expected '$', got '?'" },
	{ BYTES("*1\r\n\0"), "expected '$', got '?'" },
	{ BYTES("*1\r\n\xff"), "expected '$', got '?'" },
	{ BYTES("*2\r\n$4\r\nPING\r\nx"), "expected '$', got 'x'" },
	{ BYTES("*1\r\n$\r\n"), "invalid bulk length" },
	{ BYTES("*1\r\n$x\r\n"), "invalid bulk length" },
	{ BYTES("*1\r\n$-1\r\n"), "invalid bulk length" },
	{ BYTES("*1\r\n$+4\r\n"), "invalid bulk length" },
	{ BYTES("*1\r\n$ 4\r\n"), "invalid bulk length" },
	{ BYTES("*1\r\n$4\0\r\n"), "invalid bulk length" },
	{ BYTES("*1\r\n$4x\r\n"), "invalid bulk length" },
	{ BYTES("*1\r\n$0x4\r\n"), "invalid bulk length" },
	{ BYTES("*1\r\n$4\rPING\r\n"), "invalid bulk length" },
	{ BYTES("*1\r\n$4\nPING\n"), "invalid bulk length" },
	{ BYTES("*1\r\n$65537\r\n"), "invalid bulk length" },
	{ BYTES("*1\r\n$4294967300\r\n"), "invalid bulk length" },
	{ BYTES("*1\r\n$9223372036854775807\r\n"), "invalid bulk length" },
	{ BYTES("*1\r\n$18446744073709551620\r\n"), "invalid bulk length" },
	{ BYTES("*1\r\n$65536\r\n"), "too big request" },
	{ BYTES("*1\r\n$4\r\nPINGx"), "expected CRLF after a bulk string" },
	{ BYTES("*1\r\n$4\r\nPING\n"), "expected CRLF after a bulk string" },
	{ BYTES("*1\r\n$4\r\nPINGx\n"), "expected CRLF after a bulk string" },
	{ BYTES("*1\r\n$4\r\nPING\rx"), "expected CRLF after a bulk string" },
	{ BYTES("*1\r\n$4\r\nPING*1\r\n"), "expected CRLF after a bulk string" },
	{ BYTES("*1\r\n$0\r\nPING\r\n"), "expected CRLF after a bulk string" },
};

enum { MALFORMED = sizeof(malformed_forms) / sizeof(malformed_forms[0]) };

/* Once bytes are no request, no bytes after them change that, nor the reason. */
Test(parser, malformed_stays_malformed)
{
	for (size_t i = 0; i < MALFORMED; i++) {
		struct request r = { 0 };
		struct bytes b = { 0 };
		const char *error = NULL;
		add(&b, malformed_forms[i].bytes, malformed_forms[i].size);
		add_text(&b, "\r\n$4\r\nPING\r\nPING\r\n");
		for (size_t size = 0; size <= b.size; size++) {
			long parsed = resp_parse(&r, b.data, size);
			cr_assert(parsed <= 0, "%zu bytes of \"%s\" passed for a request.", size,
				  shown(b.data, b.size));
			cr_assert(!error || (parsed == -1 && strcmp(r.error, error) == 0),
				  "%zu bytes of \"%s\" are no longer \"%s\".", size, shown(b.data, b.size), error);
			error = parsed == -1 ? r.error : NULL;
		}
		cr_assert(error, "\"%s\" was not refused.", shown(malformed_forms[i].bytes, malformed_forms[i].size));
		free(b.data);
	}
}

/* A connection answers with the reason, then nothing more; what stands before it is answered, what follows is not. */
Test(conn, malformed_closes)
{
	for (size_t i = 0; i < MALFORMED; i++) {
		struct bytes b = { 0 };
		struct outcome wanted = { .verdict = CONN_CLOSE };
		add_text(&b, "PING\r\n");
		add(&b, malformed_forms[i].bytes, malformed_forms[i].size);
		add_text(&b, "\r\nPING\r\n*1\r\n$4\r\nPING\r\n");
		add_text(&wanted.replies, "+PONG\r\n-ERR Protocol error: %s\r\n", malformed_forms[i].error);
		check_splits(&b, false, &wanted);
		free(b.data);
		free(wanted.replies.data);
	}
}

Test(conn, too_big_closes)
{
	struct bytes line = { 0 }, digits = { 0 };
	struct outcome wanted = { .verdict = CONN_CLOSE };

	add_many(&line, 'x', REQUEST_MAX + 1);
	add_text(&wanted.replies, "-ERR Protocol error: too big request\r\n");
	check_talk((struct talk){ 0 }, &line, false, &wanted);
	check_talk((struct talk){ .first = 1 }, &line, false, &wanted);
	check_talk((struct talk){ .piece = 997 }, &line, false, &wanted);
	free(wanted.replies.data);
	wanted.replies = (struct bytes){ 0 };
	add_text(&digits, "*");
	add_many(&digits, '0', REQUEST_MAX);
	add_text(&wanted.replies, "-ERR Protocol error: invalid multibulk length\r\n");
	check_talk((struct talk){ 0 }, &digits, false, &wanted);
	check_talk((struct talk){ .piece = 1 }, &digits, false, &wanted);
	free(line.data);
	free(digits.data);
	free(wanted.replies.data);
}

/* ---- every command ---- */

Test(conn, every_command_at_every_split)
{
	for (size_t i = 0; i < EXCHANGES; i++) {
		struct outcome wanted = { .acts = exchanges[i].acts, .verdict = CONN_READ };
		add(&wanted.replies, exchanges[i].reply, strlen(exchanges[i].reply));
		for (int form = 0; form < 2; form++) {
			struct bytes b = { 0 };
			add_request(&b, form, exchanges[i].request);
			check_splits(&b, false, &wanted);
			free(b.data);
		}
		free(wanted.replies.data);
	}
}

/* All of them in one buffer, both forms in turn, empty lines between; each reply once and in order. */
static void add_everything(struct bytes *b, struct outcome *wanted, char *acts)
{
	for (size_t i = 0; i < 2 * EXCHANGES; i++) {
		const struct exchange *e = &exchanges[i / 2];
		if (e->acts && strstr(e->acts, "kill 43"))
			continue;
		add_request(b, i % 2, e->request);
		add_text(b, i % 3 ? "" : i % 2 ? "\r\n*0\r\n" : " \n");
		add(&wanted->replies, e->reply, strlen(e->reply));
		strcat(acts, e->acts ? e->acts : "");
	}
	wanted->acts = acts;
}

Test(conn, pipelined_at_every_split)
{
	static char acts[TALK_ACTS_MAX];
	struct bytes b = { 0 };
	struct outcome wanted = { .verdict = CONN_READ };

	add_everything(&b, &wanted, acts);
	check_splits(&b, false, &wanted);
	wanted.verdict = CONN_CLOSE;
	check_talk((struct talk){ 0 }, &b, true, &wanted);
	for (uint64_t seed = 1; seed <= 50; seed++)
		check_talk((struct talk){ .seed = seed }, &b, true, &wanted);
	free(b.data);
	free(wanted.replies.data);
}

Test(conn, binary_payloads)
{
	char all_bytes[256];
	struct bytes b = { 0 };
	struct outcome wanted = { .verdict = CONN_READ };

	for (int i = 0; i < 256; i++)
		all_bytes[i] = (char)i;
	for (size_t size = 0; size <= 256; size += 64) {
		add_text(&b, "*2\r\n$4\r\nECHO\r\n");
		add_bulk(&b, all_bytes + 256 - size, size);
		add_bulk(&wanted.replies, all_bytes + 256 - size, size);
	}
	add_text(&b, "*2\r\n$4\r\nping\r\n");
	add_bulk(&b, "\r\n$3\r\n\0\xff", 8);
	add_bulk(&wanted.replies, "\r\n$3\r\n\0\xff", 8);
	add(&b, "ECHO \x80\0\xff\r\n", 10);
	add_bulk(&wanted.replies, "\x80\0\xff", 3);
	check_splits(&b, false, &wanted);
	free(b.data);
	free(wanted.replies.data);
}

/* A name is quoted in the reply; nothing in it may end the line, or fill the memory. */
Test(conn, names_that_would_break_the_reply)
{
	struct bytes b = { 0 };
	struct outcome wanted = { .verdict = CONN_READ };

	add_text(&b, "*1\r\n");
	add_bulk(&b, "A\r\n+OK\0\xff", 8);
	add_text(&wanted.replies, "-ERR unknown command 'A?\?+OK?\?'\r\n");
	add_text(&b, "*2\r\n");
	add_bulk(&b, "", 0);
	add_bulk(&b, "x", 1);
	add_text(&wanted.replies, "-ERR unknown command ''\r\n");
	add_many(&b, 'n', 60000);
	add_text(&b, "\r\n");
	add_text(&wanted.replies, "-ERR unknown command '");
	add_many(&wanted.replies, 'n', 128);
	add_text(&wanted.replies, "'\r\n");
	check_talk((struct talk){ 0 }, &b, false, &wanted);
	check_talk((struct talk){ .piece = 977 }, &b, false, &wanted);
	free(b.data);
	free(wanted.replies.data);
}

Test(conn, client_subcommands)
{
	static const char *const wrong[] = { "CLIENT LIST",    "CLIENT ID x",	      "CLIENT KILL 43",
					     "CLIENT KILL ID", "CLIENT KILL ADDR 43", "CLIENT KILLID" };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct talk t = { 0 };
		char line[64];
		int size = snprintf(line, sizeof(line), "%s\r\n", wrong[i]);
		cr_assert(talk_begin(&t), "conn_new() returned NULL although there is memory.");
		cr_assert(talk(&t, line, (size_t)size, false) == CONN_READ && t.size > 5 &&
				  memcmp(t.replies, "-ERR ", 5) == 0,
			  "\"%s\" was answered \"%s\" and not with an error.", wrong[i], shown(t.replies, t.size));
		cr_assert(memchr(t.replies, '\n', t.size) == t.replies + t.size - 1,
			  "The error for \"%s\" is more than one line.", wrong[i]);
		cr_assert(t.acts_size == 0, "\"%s\" killed a connection.", wrong[i]);
		talk_end(&t);
	}
}

/* ---- sizes ---- */

Test(conn, longest_requests_are_answered)
{
	struct bytes b = { 0 };
	struct outcome wanted = { .verdict = CONN_READ };

	add_text(&b, "ECHO ");
	add_many(&b, 'x', REQUEST_MAX - 7);
	add_text(&b, "\r\n*2\r\n$4\r\nECHO\r\n$65512\r\n");
	add_many(&b, 'y', 65512);
	add_text(&b, "\r\nPING\r\n");
	add_text(&wanted.replies, "$65529\r\n");
	add_many(&wanted.replies, 'x', REQUEST_MAX - 7);
	add_text(&wanted.replies, "\r\n$65512\r\n");
	add_many(&wanted.replies, 'y', 65512);
	add_text(&wanted.replies, "\r\n+PONG\r\n");
	check_talk((struct talk){ 0 }, &b, false, &wanted);
	check_talk((struct talk){ .first = 1 }, &b, false, &wanted);
	check_talk((struct talk){ .piece = 991 }, &b, false, &wanted);
	check_talk((struct talk){ .seed = 7 }, &b, false, &wanted);
	free(b.data);
	free(wanted.replies.data);
}

Test(conn, most_arguments)
{
	struct bytes b = { 0 };
	struct outcome wanted = { .verdict = CONN_READ };

	add_text(&b, "*1024\r\n$4\r\nECHO\r\n");
	for (size_t i = 1; i < ARGS_MAX; i++)
		add_bulk(&b, "x", 1);
	add_text(&wanted.replies, "-ERR wrong number of arguments for 'echo' command\r\n");
	check_talk((struct talk){ 0 }, &b, false, &wanted);
	check_talk((struct talk){ .piece = 89 }, &b, false, &wanted);
	free(b.data);
	free(wanted.replies.data);
}

Test(conn, largest_blob)
{
	struct bytes b = { 0 };
	struct outcome wanted = { .verdict = CONN_READ };

	add_text(&b, "BLOB 1048576\r\nBLOB 1000\r\nBLOB 1048577\r\nBLOB 1048576\r\nPING\r\n");
	add_blob(&wanted.replies, 1048576);
	add_blob(&wanted.replies, 1000);
	add_text(&wanted.replies, "-ERR value is out of range\r\n");
	add_blob(&wanted.replies, 1048576);
	add_text(&wanted.replies, "+PONG\r\n");
	check_talk((struct talk){ 0 }, &b, false, &wanted);
	check_talk((struct talk){ .piece = 5 }, &b, false, &wanted);
	check_talk((struct talk){ .seed = 3 }, &b, false, &wanted);
	free(b.data);
	free(wanted.replies.data);
}

/* ---- one step at a time ---- */

static struct conn *new_conn(int fd)
{
	struct conn *c = conn_new(fd);

	cr_assert(c, "conn_new() returned NULL although there is memory.");
	return c;
}

static enum verdict feed(struct conn *c, const char *text)
{
	return conn_feed(c, text, strlen(text));
}

static void check_unsent(const struct conn *c, const char *text)
{
	cr_assert(conn_unsent(c) == strlen(text) && (!*text || memcmp(conn_out(c), text, strlen(text)) == 0),
		  "Unsent is \"%s\" and not \"%s\".", conn_unsent(c) ? shown(conn_out(c), conn_unsent(c)) : "", text);
}

Test(conn, a_burst_is_one_write)
{
	struct conn *c = new_conn(3);

	cr_assert(feed(c, "PING\r\nPING\r\nECHO a\r\n*1\r\n$4\r\nPING\r\n\r\nPI") == CONN_WRITE,
		  "Four requests have replies to write.");
	check_unsent(c, "+PONG\r\n+PONG\r\n$1\r\na\r\n+PONG\r\n");
	conn_sent(c, 3);
	check_unsent(c, "NG\r\n+PONG\r\n$1\r\na\r\n+PONG\r\n");
	cr_assert(conn_next(c) == CONN_WRITE, "After a short write there is still something to write.");
	conn_sent(c, conn_unsent(c));
	cr_assert(conn_next(c) == CONN_READ, "With all replies sent the connection waits for bytes.");
	cr_assert(feed(c, "NG\r\n") == CONN_WRITE, "The request that was cut in two is whole.");
	check_unsent(c, "+PONG\r\n");
	conn_free(c);
	cr_assert(memory.live == 0, "%ld blocks leaked.", memory.live);
}

Test(conn, idle_owns_nothing)
{
	struct conn *c = new_conn(3);

	cr_assert(sizeof(struct conn) <= 160, "A connection takes %zu bytes; 160 are allowed.", sizeof(struct conn));
	cr_assert(memory.live == 1, "A new connection owns %ld blocks of memory besides itself.", memory.live - 1);
	cr_assert(conn_next(c) == CONN_READ && conn_wants_read(c) && conn_unsent(c) == 0,
		  "A new connection wants to read, and has nothing to write.");
	for (int i = 0; i < 3; i++) {
		cr_assert(feed(c, "ECHO hel") == CONN_READ && c->in.data, "Half a request waits in a buffer.");
		cr_assert(feed(c, "lo\r\nBLOB 9999\r\n") == CONN_WRITE && !c->in.data,
			  "With whole requests parsed, no buffer for bytes received is left.");
		conn_sent(c, conn_unsent(c));
		cr_assert(conn_next(c) == CONN_READ && !c->out.data && memory.live == 1,
			  "With all replies sent, no buffer is left.");
	}
	conn_free(c);
}

Test(conn, work_is_done_in_order)
{
	struct conn *c = new_conn(3);

	cr_assert(feed(c, "WORK 10 20\r\nPING\r\nSPIN 5\r\nEC") == CONN_WORK && c->cpu_us == 10 && c->wait_us == 20,
		  "WORK 10 20 asks to compute 10 µs, then wait 20.");
	cr_assert(conn_next(c) == CONN_WAIT, "While work is under way there is nothing to do but wait.");
	check_unsent(c, "");
	cr_assert(feed(c, "HO x\r\n") == CONN_WAIT, "Bytes that come meanwhile don't change that.");
	check_unsent(c, "");
	conn_worked(c);
	check_unsent(c, "+DONE\r\n");
	cr_assert(conn_next(c) == CONN_SPIN && c->cpu_us == 5 && c->wait_us == 0,
		  "SPIN 5, after PING, asks to compute 5 µs, and no wait.");
	check_unsent(c, "+DONE\r\n+PONG\r\n");
	cr_assert(conn_next(c) == CONN_WRITE, "While it is under way, the replies before it may be written.");
	conn_sent(c, conn_unsent(c));
	cr_assert(conn_next(c) == CONN_WAIT, "All written, it is still under way.");
	conn_worked(c);
	check_unsent(c, "");
	cr_assert(conn_next(c) == CONN_WRITE, "The request after SPIN is answered.");
	check_unsent(c, "$1\r\nx\r\n");
	conn_free(c);
}

Test(conn, quit)
{
	static const char *const quits[] = { "QUIT\r\n", "quit\r\n", "*1\r\n$4\r\nQUIT\r\n", "QUIT now please\r\n" };

	for (size_t i = 0; i < sizeof(quits) / sizeof(quits[0]); i++) {
		struct bytes b = { 0 };
		struct outcome wanted = { .verdict = CONN_CLOSE };
		add_text(&b, "PING\r\n%sPING\r\n*x\r\nSPIN 1\r\nQUIT\r\n", quits[i]);
		add_text(&wanted.replies, "+PONG\r\n+OK\r\n");
		check_splits(&b, false, &wanted);
		check_splits(&b, true, &wanted);
		free(b.data);
		free(wanted.replies.data);
	}
}

Test(conn, closing_reads_no_more)
{
	static const char *const last[] = { "QUIT\r\nPING\r\n", "*x\r\nPING\r\n" };

	for (size_t i = 0; i < 2; i++) {
		struct conn *c = new_conn(3);
		cr_assert(feed(c, last[i]) == CONN_WRITE && !conn_wants_read(c),
			  "After \"%s\" the reply is written, and nothing read.", shown(last[i], strlen(last[i])));
		size_t unsent = conn_unsent(c);
		cr_assert(feed(c, "PING\r\n") == CONN_WRITE && conn_unsent(c) == unsent,
			  "What comes after the end is not answered.");
		cr_assert(!c->in.data, "What comes after the end was kept in a buffer.");
		conn_sent(c, unsent - 1);
		cr_assert(conn_next(c) == CONN_WRITE, "The connection closed before its last byte was sent.");
		conn_sent(c, 1);
		cr_assert(conn_next(c) == CONN_CLOSE && conn_next(c) == CONN_CLOSE,
			  "With all sent, and for good, the verdict is CONN_CLOSE.");
		cr_assert(feed(c, "PING\r\n") == CONN_CLOSE && conn_unsent(c) == 0,
			  "A closed connection was revived by more bytes.");
		conn_free(c);
	}
	cr_assert(memory.live == 0, "%ld blocks leaked.", memory.live);
}

Test(conn, half_close)
{
	static const struct {
		const char *sent, *reply, *acts;
	} cases[] = {
		{ "", "", "" },
		{ "PING\r\n", "+PONG\r\n", "" },
		{ "PING\r\nPI", "+PONG\r\n", "" },
		{ "*2\r\n$4\r\nECHO\r\n$5\r\nhel", "", "" },
		{ "WORK 1 2\r\nPING\r\n", "+DONE\r\n+PONG\r\n", "work 1 2;" },
		{ "SPIN 1\r\nCLIENT KILL ID 43\r\nECHO a\r\n", ":1\r\n$1\r\na\r\n", "spin 1 0;kill 43 0;" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bytes b = { 0 };
		struct outcome wanted = { .acts = cases[i].acts, .verdict = CONN_CLOSE };
		add(&b, cases[i].sent, strlen(cases[i].sent));
		add(&wanted.replies, cases[i].reply, strlen(cases[i].reply));
		check_talk((struct talk){ 0 }, &b, true, &wanted);
		check_splits(&b, true, &wanted);
		free(b.data);
		free(wanted.replies.data);
	}
}

Test(conn, half_close_with_replies_stuck)
{
	struct conn *c = new_conn(3);

	cr_assert(feed(c, "WORK 1 2\r\nECHO a\r\n") == CONN_WORK, "WORK is to be done.");
	cr_assert(conn_feed(c, NULL, 0) == CONN_WAIT && !conn_wants_read(c),
		  "The peer's end is no reason to drop work under way, nor to read more.");
	conn_worked(c);
	cr_assert(conn_next(c) == CONN_WRITE, "The replies owed are written.");
	check_unsent(c, "+DONE\r\n$1\r\na\r\n");
	conn_sent(c, conn_unsent(c));
	cr_assert(conn_next(c) == CONN_CLOSE, "All owed is sent: the verdict is CONN_CLOSE.");
	conn_free(c);
}

Test(conn, lent_replies_stay_where_they_are)
{
	struct conn *c = new_conn(3);

	cr_assert(feed(c, "PING\r\nBLOB 500\r\n") == CONN_WRITE, "There are replies to send.");
	const char *out = conn_out(c);
	size_t unsent = conn_unsent(c);
	conn_lend(c);
	cr_assert(conn_next(c) == CONN_WAIT && conn_wants_read(c), "A send is in flight: wait for it, and read on.");
	for (int i = 0; i < 100; i++)
		cr_assert(feed(c, "BLOB 5000\r\n") == CONN_WAIT, "Requests that come meanwhile wait, too.");
	cr_assert(conn_out(c) == out && conn_unsent(c) == unsent,
		  "The replies that the kernel reads have moved, or grown.");
	conn_sent(c, unsent - 2);
	cr_assert(conn_unsent(c) == 2 && conn_out(c) == out + unsent - 2, "Two bytes of them are left.");
	conn_lend(c);
	cr_assert(conn_next(c) == CONN_WAIT && conn_unsent(c) == 2, "And are sent alone.");
	conn_sent(c, 2);
	cr_assert(conn_next(c) == CONN_WRITE && conn_unsent(c) == 100 * strlen("$5000\r\n\r\n") + 100 * 5000,
		  "All is sent: the requests that have waited are answered, each once.");
	conn_free(c);
	cr_assert(memory.live == 0, "%ld blocks leaked.", memory.live);
}

Test(conn, lent_and_ended)
{
	struct conn *c = new_conn(3);

	feed(c, "QUIT\r\n");
	conn_lend(c);
	cr_assert(conn_next(c) == CONN_WAIT && conn_feed(c, NULL, 0) == CONN_WAIT,
		  "Neither QUIT nor the peer's end closes a connection whose reply is in flight.");
	conn_sent(c, 0);
	cr_assert(conn_next(c) == CONN_WRITE, "Nothing of it was sent: it is to be sent again.");
	conn_lend(c);
	conn_sent(c, conn_unsent(c));
	cr_assert(conn_next(c) == CONN_CLOSE, "Then it closes.");
	conn_free(c);
}

Test(conn, reply_from_outside)
{
	struct conn *c = new_conn(3);

	conn_reply(c, "-ERR too many connections\r\n");
	cr_assert(conn_next(c) == CONN_WRITE, "A reply from outside is to be written.");
	check_unsent(c, "-ERR too many connections\r\n");
	conn_sent(c, conn_unsent(c));
	cr_assert(conn_next(c) == CONN_READ && !c->out.data, "It is sent: the connection is idle.");
	conn_free(c);
}

/* ---- lists of the server's own ---- */

Test(list, first_come_first_served)
{
	struct list list = { 0 }, other = { 0 };
	struct conn *a = new_conn(3), *b = new_conn(4), *c = new_conn(5);

	cr_assert(!list_take(&list), "An empty list has a first.");
	list_add(&list, a);
	list_add(&list, b);
	list_add(&list, a);
	list_add(&other, b);
	cr_assert(!other.first, "A connection that stands on one list was put on another.");
	cr_assert(list_take(&list) == a, "Who came first is not the first.");
	list_add(&list, c);
	list_add(&list, a);
	cr_assert(list_take(&list) == b && list_take(&list) == c && list_take(&list) == a && !list_take(&list),
		  "The order is not that in which they came.");
	list_add(&list, b);
	cr_assert(list_take(&list) == b && !list.first, "After it was empty, the list does not work.");
	cr_assert(!a->queued && !b->queued && !c->queued, "Who stands on no list is marked as if it did.");
	conn_free(a);
	conn_free(b);
	conn_free(c);
}

Test(list, the_held_outlive_reaping)
{
	struct list list = { 0 };
	struct conn *a = new_conn(3), *b = new_conn(4), *c = new_conn(5);

	list_add(&list, a);
	c->held = 2;
	conn_retire(a);
	conn_retire(b);
	conn_retire(c);
	conn_reap();
	cr_assert(memory.live == 2, "%ld blocks are live; two connections are held: by a list, and by two operations.",
		  memory.live);
	cr_assert(!conn_first(), "A retired connection is found among those that are open.");
	c->held--;
	cr_assert(list_take(&list) == a, "The list has lost its member.");
	conn_reap();
	cr_assert(memory.live == 1, "%ld blocks are live; one connection is held.", memory.live);
	c->held--;
	conn_reap();
	cr_assert(memory.live == 0, "%ld blocks leaked.", memory.live);
}

/* ---- back-pressure ---- */

/* Takes all that is unsent, and counts it. */
static size_t drain(struct conn *c, enum verdict v)
{
	size_t total = 0;

	for (; v == CONN_WRITE; v = conn_next(c)) {
		total += conn_unsent(c);
		conn_sent(c, conn_unsent(c));
	}
	return total;
}

Test(conn, unsent_max_to_the_byte)
{
	struct conn *c = new_conn(3);

	cr_assert(feed(c, "BLOB 1048564\r\nPING\r\nPING\r\n") == CONN_WRITE, "A large reply is to be written.");
	cr_assert(conn_unsent(c) == UNSENT_MAX + 7,
		  "With exactly UNSENT_MAX unsent one more request is answered; then none (unsent: UNSENT_MAX%+ld).",
		  (long)conn_unsent(c) - UNSENT_MAX);
	cr_assert(!conn_wants_read(c), "With more than UNSENT_MAX unsent nothing is read.");
	conn_sent(c, 6);
	cr_assert(conn_next(c) == CONN_WRITE && conn_unsent(c) == UNSENT_MAX + 1 && !conn_wants_read(c),
		  "One byte beyond UNSENT_MAX is still too much.");
	conn_sent(c, 1);
	cr_assert(conn_wants_read(c), "With exactly UNSENT_MAX unsent the connection reads.");
	cr_assert(conn_next(c) == CONN_WRITE && conn_unsent(c) == UNSENT_MAX + 7,
		  "And the request left unparsed is answered.");
	cr_assert(!c->in.data, "No request is left over, and yet a buffer is.");
	cr_assert(drain(c, CONN_WRITE) == UNSENT_MAX + 7, "All the rest is written.");
	cr_assert(memory.live == 1, "The connection is idle and owns buffers.");
	conn_free(c);
}

Test(conn, back_pressure_keeps_order)
{
	struct talk t = { 0 };
	struct bytes wanted = { 0 };

	cr_assert(talk_begin(&t), "conn_new() returned NULL although there is memory.");
	enum verdict v =
		feed(t.c, "BLOB 1048576\r\nPING\r\nECHO a\r\nWORK 1 2\r\nBLOB 1048576\r\nCLIENT KILL ID 43\r\nQU");
	cr_assert(v == CONN_WRITE && conn_unsent(t.c) == 1048576 + 12, "Only the BLOB is answered while it is unsent.");
	cr_assert(t.c->in.data && conn_next(t.c) == CONN_WRITE, "The others are left unparsed.");
	cr_assert(talk(&t, "IT\r\nPING\r\n", 10, true) == CONN_CLOSE && !t.fault, "It all ends in CONN_CLOSE, %s.",
		  t.fault ? t.fault : "and does not");
	add_blob(&wanted, 1048576);
	add_text(&wanted, "+PONG\r\n$1\r\na\r\n+DONE\r\n");
	add_blob(&wanted, 1048576);
	add_text(&wanted, ":1\r\n+OK\r\n");
	cr_assert(t.size == wanted.size && memcmp(t.replies, wanted.data, wanted.size) == 0,
		  "Replies were lost, or came out of order.");
	cr_assert(strcmp(t.acts, "work 1 2;kill 43 0;") == 0, "The server was asked to \"%s\".", t.acts);
	talk_end(&t);
	free(wanted.data);
}

Test(conn, back_pressure_then_half_close)
{
	struct conn *c = new_conn(3);

	cr_assert(feed(c, "BLOB 1048564\r\n") == CONN_WRITE && conn_wants_read(c), "Exactly UNSENT_MAX is unsent.");
	cr_assert(feed(c, "PING\r\nBLOB 1048576\r\nPING\r\n") == CONN_WRITE && !conn_wants_read(c), "Now it is more.");
	cr_assert(conn_feed(c, "", 0) == CONN_WRITE, "The peer's end doesn't matter yet.");
	cr_assert(drain(c, CONN_WRITE) == UNSENT_MAX + 7 + 1048576 + 12 + 7,
		  "A client that shut down its writing side gets every reply it is owed.");
	cr_assert(conn_next(c) == CONN_CLOSE, "Then the connection closes.");
	conn_free(c);
}

/* A peer that sends and never reads: memory stops growing, and afterwards no request is lost. */
static void check_flood(const char *start, const char *request, size_t reply_size, size_t start_reply)
{
	struct conn *c = new_conn(3);
	char bytes[READ_SIZE];
	size_t requests = 0, size = strlen(request), reads = 0;
	enum verdict v = feed(c, start);

	for (size_t i = 0; i + size <= sizeof(bytes); i += size)
		memcpy(bytes + i, request, size);
	for (; conn_wants_read(c); reads++) {
		cr_assert(reads < 100000, "\"%s\" without end is read without end.", shown(request, size));
		v = conn_feed(c, bytes, sizeof(bytes) / size * size);
		requests += sizeof(bytes) / size;
	}
	cr_assert(memory.bytes < 5 * 1024 * 1024, "A connection flooded with \"%s\" takes %zu bytes.",
		  shown(request, size), memory.bytes);
	if (c->working)
		conn_worked(c);
	v = v == CONN_WAIT ? conn_next(c) : v;
	size_t total = 0, turns = 0;
	for (; v == CONN_WRITE || v == CONN_WORK; v = conn_next(c)) {
		cr_assert(turns++ < 10000000, "The flood never ends.");
		if (v == CONN_WORK)
			conn_worked(c);
		total += conn_unsent(c);
		conn_sent(c, conn_unsent(c));
	}
	cr_assert(v == CONN_READ && memory.live == 1, "After the flood the connection is not idle.");
	cr_assert(total == requests * reply_size + start_reply,
		  "%zu times \"%s\" were sent, and %zu bytes of replies came.", requests, shown(request, size), total);
	conn_free(c);
}

Test(conn, floods)
{
	check_flood("\r\n", "PING\r\n", 7, 0);
	check_flood("\r\n", "BLOB 60000\r\n", 60000 + 10, 0);
	check_flood("WORK 1 1\r\n", "PING\r\n", 7, 7);
	check_flood("WORK 1 1\r\n", "WORK 1 1\r\n", 7, 7);
	check_flood("SPIN 1\r\n", "NOPE\r\n", 29, 0);
}

/* ---- all connections ---- */

static void check_list(const char *wanted)
{
	char list[64] = "";

	for (struct conn *c = conn_first(); c; c = conn_after(c))
		sprintf(list + strlen(list), "%d ", c->fd);
	size_t seen = 0;
	for (const char *at = wanted; *at; at++)
		seen += strchr(list, *at) != NULL;
	cr_assert(strlen(list) == strlen(wanted) && seen == strlen(wanted),
		  "The open connections are \"%s\", not \"%s\" (in any order).", list, wanted);
}

Test(list, first_and_after)
{
	struct conn *a, *b, *c;

	cr_assert(!conn_first(), "Without connections there is no first one.");
	a = new_conn(3);
	b = new_conn(4);
	c = new_conn(5);
	check_list("3 4 5 ");
	conn_free(b);
	check_list("3 5 ");
	b = new_conn(4);
	conn_free(c);
	check_list("3 4 ");
	conn_free(a);
	conn_free(b);
	check_list("");
	cr_assert(memory.live == 0, "%ld blocks leaked.", memory.live);
}

Test(list, retired_until_reaped)
{
	struct conn *a = new_conn(3), *b = new_conn(4), *c = new_conn(5), *d = new_conn(6);

	feed(b, "PI");
	conn_reply(b, "+OK\r\n");
	cr_assert(memory.live == 6, "Four connections and two buffers are %ld blocks.", memory.live);
	conn_retire(b);
	check_list("3 5 6 ");
	conn_retire(d);
	check_list("3 5 ");
	cr_assert(b->fd == -1 && d->fd == -1, "A retired connection has no descriptor.");
	cr_assert(memory.live >= 4, "A retired connection was freed before conn_reap().");
	struct conn *e = new_conn(7);
	check_list("3 5 7 ");
	cr_assert(e != b && e != d, "A retired connection's memory was used again before conn_reap().");
	conn_reap();
	check_list("3 5 7 ");
	cr_assert(memory.live == 3, "Three connections are left and own %ld blocks.", memory.live);
	conn_reap();
	conn_retire(a);
	conn_retire(c);
	conn_retire(e);
	check_list("");
	conn_reap();
	cr_assert(memory.live == 0, "%ld blocks leaked.", memory.live);
}

/* As a server does that stops: it goes through the list and closes what it comes by. */
Test(list, retire_while_walking)
{
	size_t count = 0;

	for (int fd = 3; fd < 10; fd++)
		new_conn(fd);
	for (struct conn *c = conn_first(); c; c = conn_after(c), count++)
		conn_retire(c);
	cr_assert(count == 7, "%zu of 7 connections were met.", count);
	conn_reap();
	cr_assert(!conn_first() && memory.live == 0, "%ld blocks leaked.", memory.live);
}

Test(list, ids_are_never_used_twice)
{
	uint64_t ids[1000];
	struct conn *kept = new_conn(3);

	for (size_t i = 0; i < 1000; i++) {
		struct conn *c = new_conn(4);
		ids[i] = c->id;
		cr_assert(c->id != 0 && c->id != kept->id, "Id %llu was given twice, or is 0.",
			  (unsigned long long)c->id);
		for (size_t j = 0; j < i; j++)
			cr_assert(ids[j] != ids[i], "Id %llu was used twice.", (unsigned long long)ids[i]);
		if (i % 2)
			conn_free(c);
		else
			conn_retire(c);
		conn_reap();
	}
	conn_free(kept);
}

static struct conn *kill_by(struct conn *c, uint64_t id, const char *reply)
{
	char line[64];

	snprintf(line, sizeof(line), "CLIENT KILL ID %llu\r\nECHO a\r\n", (unsigned long long)id);
	cr_assert(feed(c, line) == CONN_KILL, "CLIENT KILL asks the server to act.");
	struct conn *victim = conn_victim(c);
	cr_assert(conn_next(c) == CONN_WRITE, "CLIENT KILL and what follows it are answered.");
	check_unsent(c, reply);
	conn_sent(c, conn_unsent(c));
	return victim;
}

Test(list, kill)
{
	struct conn *a = new_conn(3), *b = new_conn(4), *c = new_conn(5);

	cr_assert(kill_by(a, b->id, ":1\r\n$1\r\na\r\n") == b,
		  "conn_victim() does not name the connection with that id.");
	cr_assert(kill_by(c, b->id, ":1\r\n$1\r\na\r\n") == b, "conn_victim() itself closed something.");
	cr_assert(!kill_by(a, a->id, ":0\r\n$1\r\na\r\n"), "A connection can't kill itself.");
	cr_assert(!kill_by(a, c->id + 1, ":0\r\n$1\r\na\r\n"), "An id that was never given was found.");
	uint64_t old = b->id;
	conn_retire(b);
	cr_assert(!kill_by(a, old, ":0\r\n$1\r\na\r\n"), "A retired connection was found.");
	conn_reap();
	cr_assert(!kill_by(a, old, ":0\r\n$1\r\na\r\n"), "A freed connection was found.");
	c->id = UINT64_C(5000000000);
	cr_assert(kill_by(a, c->id, ":1\r\n$1\r\na\r\n") == c, "An id beyond 32 bits was not found.");
	cr_assert(feed(c, "CLIENT ID\r\n") == CONN_WRITE, "CLIENT ID is answered.");
	check_unsent(c, ":5000000000\r\n");
	conn_free(a);
	conn_free(c);
}

/* The victim closes between the verdict and the act, by an event of its own in the same batch. */
Test(list, victim_gone_meanwhile)
{
	struct conn *a = new_conn(3), *b = new_conn(4);
	char line[64];

	snprintf(line, sizeof(line), "CLIENT KILL ID %llu\r\n", (unsigned long long)b->id);
	cr_assert(feed(a, line) == CONN_KILL, "CLIENT KILL asks the server to act.");
	conn_retire(b);
	cr_assert(!conn_victim(a), "A retired connection was named as the victim.");
	check_unsent(a, ":0\r\n");
	conn_reap();
	conn_free(a);
	cr_assert(memory.live == 0, "%ld blocks leaked.", memory.live);
}

/* ---- memory runs out ---- */

/* Every command, and a request that outgrows the first size of a buffer. The caller frees it. */
static struct bytes every_kind(void)
{
	struct bytes b = { 0 };

	add_text(&b, "PING\r\n*2\r\n$4\r\nECHO\r\n$5\r\nhello\r\nBLOB 3000\r\nWORK 1 2\r\nECHO ");
	add_many(&b, 'x', 3000);
	add_text(&b,
		 "\r\nSPIN 3\r\nCLIENT ID\r\nBLOB 30000\r\nCLIENT KILL ID 43\r\nNOPE\r\nECHO\r\nBLOB x\r\nQUIT\r\n");
	return b;
}

/* One talk in which the n-th call for memory fails. Returns false once no call failed: n is beyond the last. */
static bool check_scarce(struct talk how, const struct bytes *request, const struct talk *plenty, size_t n, bool after)
{
	struct talk t = how;

	memory.calls = 0;
	memory.fail_at = n;
	memory.fail_after = after;
	if (talk_begin(&t)) {
		enum verdict v = talk(&t, request->data, request->size, false);
		cr_assert(!t.fault, "Call %zu for memory failed: %s.", n, t.fault);
		cr_assert(v == CONN_CLOSE, "Call %zu for memory failed, and the talk did not come to its end.", n);
		cr_assert(conn_next(t.c) == CONN_CLOSE && !conn_wants_read(t.c),
			  "A connection that ran out of memory came back to life.");
		cr_assert(t.size <= plenty->size && memcmp(t.replies ? t.replies : "", plenty->replies, t.size) == 0,
			  "Call %zu for memory failed, and a wrong reply was sent: \"%s\".", n,
			  shown(t.replies, t.size));
		cr_assert(t.size == plenty->size || t.c->failed,
			  "Call %zu for memory failed, and a reply is missing: \"%s\".", n, shown(t.replies, t.size));
	}
	talk_end(&t);
	cr_assert(memory.live == 0, "Call %zu for memory failed, and %ld blocks leaked.", n, memory.live);
	return memory.calls >= n;
}

static void check_every_call(struct talk how, const struct bytes *request)
{
	struct talk plenty = how;
	size_t n = 1;

	memory.fail_at = 0;
	cr_assert(talk_begin(&plenty), "conn_new() returned NULL although there is memory.");
	cr_assert(talk(&plenty, request->data, request->size, false) == CONN_CLOSE, "The talk does not end.");
	talk_end(&(struct talk){ .c = plenty.c, .other = plenty.other });
	while (check_scarce(how, request, &plenty, n, false) && check_scarce(how, request, &plenty, n, true))
		n++;
	cr_assert(n > 2, "Only %zu calls for memory were met.", n);
	memory.fail_at = 0;
	free(plenty.replies);
}

Test(scarce, whole)
{
	struct bytes b = every_kind();

	check_every_call((struct talk){ 0 }, &b);
	free(b.data);
}

Test(scarce, in_pieces)
{
	struct bytes b = every_kind();

	check_every_call((struct talk){ .piece = 7 }, &b);
	for (uint64_t seed = 1; seed <= 5; seed++)
		check_every_call((struct talk){ .seed = seed }, &b);
	free(b.data);
}

Test(scarce, malformed)
{
	struct bytes b = { 0 };

	add_text(&b, "PING\r\nECHO hello\r\n*1\r\nx");
	check_every_call((struct talk){ 0 }, &b);
	check_every_call((struct talk){ .piece = 1 }, &b);
	free(b.data);
}

/* ---- start-up ---- */

Test(startup, failed_accepts)
{
	static const struct {
		int error;
		enum accept_verdict verdict;
	} cases[] = {
		{ EAGAIN, ACCEPT_DRAINED },  { EWOULDBLOCK, ACCEPT_DRAINED }, { EMFILE, ACCEPT_FULL },
		{ ENFILE, ACCEPT_FULL },     { ENOBUFS, ACCEPT_FULL },	      { ENOMEM, ACCEPT_FULL },
		{ EINTR, ACCEPT_NEXT },	     { ECONNABORTED, ACCEPT_NEXT },   { EPERM, ACCEPT_NEXT },
		{ EPROTO, ACCEPT_NEXT },     { ENETDOWN, ACCEPT_NEXT },	      { ENOPROTOOPT, ACCEPT_NEXT },
		{ EHOSTDOWN, ACCEPT_NEXT },  { ENONET, ACCEPT_NEXT },	      { EHOSTUNREACH, ACCEPT_NEXT },
		{ EOPNOTSUPP, ACCEPT_NEXT }, { ENETUNREACH, ACCEPT_NEXT },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_expect(accept_failed(cases[i].error) == cases[i].verdict,
			  "accept failed with %s: verdict %d, not %d.", strerror(cases[i].error),
			  accept_failed(cases[i].error), cases[i].verdict);
}

/* Four reasons, four sentences; only two of them differ by what sysctl says. */
Test(startup, refused_rings)
{
	static const struct {
		int error, disabled;
		const char *names;
	} cases[] = {
		{ ENOSYS, EOF, "no io_uring" },
		{ ENOSYS, '2', "no io_uring" },
		{ EPERM, '2', "io_uring_disabled=0" },
		{ EPERM, '1', "io_uring_group" },
		{ EPERM, '0', "seccomp" },
		{ EPERM, EOF, "seccomp" },
		{ EINVAL, '0', "too old" },
		{ ENOMEM, '0', "io_uring_setup(2)" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_expect(strstr(ring_refusal(cases[i].error, cases[i].disabled), cases[i].names),
			  "Refused with %s, where io_uring_disabled is %c: \"%s\" does not name %s.",
			  strerror(cases[i].error), cases[i].disabled == EOF ? '-' : cases[i].disabled,
			  ring_refusal(cases[i].error, cases[i].disabled), cases[i].names);
}

Test(startup, failed_accept_while_stopping)
{
	stopping = 1;
	cr_expect(accept_failed(EINVAL) == ACCEPT_DRAINED,
		  "A listener that was shut down accepts no more: EINVAL while stopping is the end.");
	stopping = 0;
}
