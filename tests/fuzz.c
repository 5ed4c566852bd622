/*
 * fuzz.c: a libFuzzer target for the parser and the connection.
 *
 * The first bytes of an input are a seed, the others what a peer sends. They
 * are fed in the largest reads, then again in reads and writes of random
 * sizes: the replies, and what was asked of the server, must be the same. Each
 * read lies in memory of its own, so that AddressSanitizer sees a step past it.
 *
 *	clang -fsanitize=fuzzer,address,undefined
 *	fuzz -max_len=4096 -max_total_time=60 -dict=tests/fuzz.dict [CORPUS]
 *
 * Bounds: a talk ends once TALK_REPLIES_MAX bytes were replied (BLOB makes many
 * thousand times as many bytes as it takes); an input beyond INPUT_MAX is cut.
 */
#include "../chapters/common/conn.c"
#include "../chapters/common/resp.c"

#include "unit_talk.h"

enum {
	SEED_SIZE = 3,	       /* two for the sizes of reads and writes, one for stretch() */
	INPUT_MAX = 96 * 1024, /* more than the largest request */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The text is printed, so that a crash says what was wrong and not only where. */
static void must(bool holds, const char *text)
{
	if (holds)
		return;
	fprintf(stderr, "fuzz: %s\n", text);
	__builtin_trap();
}

static void run_talk(struct talk *t, const char *bytes, size_t size)
{
	must(talk_begin(t), "conn_new() returned NULL");
	enum verdict v = talk(t, bytes, size, true);
	if (t->fault)
		must(false, t->fault);
	must(v == CONN_CLOSE || talk_full(t), "the peer sent its last byte, and the connection does not close");
	must(!t->c->failed, "the kit found no memory");
}

/* Talks that ended early, with too many replies, agree as far as both went. */
static void compare(const struct talk *a, const struct talk *b)
{
	bool early = talk_full(a) || talk_full(b);
	size_t size = a->size < b->size ? a->size : b->size,
	       acts = a->acts_size < b->acts_size ? a->acts_size : b->acts_size;

	must(early || a->size == b->size, "the number of bytes replied depends on how the input is split");
	must(size == 0 || memcmp(a->replies, b->replies, size) == 0, "the replies depend on how the input is split");
	must(early || a->acts_size == b->acts_size,
	     "how much is asked of the server depends on how the input is split");
	must(memcmp(a->acts, b->acts, acts) == 0, "what is asked of the server depends on how the input is split");
}

static bool within(struct slice s, const char *bytes, size_t size)
{
	return s.data >= bytes && s.size <= size && s.data - bytes <= (ptrdiff_t)(size - s.size);
}

/* What resp_parse() says of a part must hold for the whole. */
static void compare_parts(const char *bytes, size_t size, size_t part)
{
	struct request r = { 0 }, of_part = { 0 };
	long whole = resp_parse(&r, bytes, size), parsed = resp_parse(&of_part, bytes, part);

	must(whole >= -1 && whole <= (long)size && whole <= REQUEST_MAX,
	     "a request takes more bytes than there are, or than REQUEST_MAX");
	must(whole <= 0 || whole > (long)part || parsed == whole,
	     "the whole request is there, and resp_parse() does not take it");
	must(parsed <= 0 || parsed == whole, "a request became another one by the bytes after it");
	must(parsed != -1 || (whole == -1 && strcmp(r.error, of_part.error) == 0),
	     "an error became another one by the bytes after it");
	must((whole == -1) == (r.error != NULL), "an error without a reason, or a reason without an error");
	for (size_t i = 0; whole > 0 && i < r.count && i < ARGS_KEPT; i++)
		must(within(r.args[i], bytes, (size_t)whole), "an argument lies outside its request");
}

/*
 * The peer's bytes, in memory of their own. A few values of `by` repeat the
 * middle byte some thousand times: so short inputs reach the limits too.
 */
static char *stretch(const char *bytes, size_t *size, uint8_t by)
{
	size_t more = by >= 0xf0 ? (by - 0xefu) * 5000 : 0, half = *size / 2;
	char *stretched = malloc(*size + more + 1);

	must(stretched != NULL, "malloc() returned NULL");
	memcpy(stretched, bytes, half);
	memset(stretched + half, *size ? bytes[half] : 0, more);
	memcpy(stretched + half + more, bytes + half, *size - half);
	*size += more;
	return stretched;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct talk at_once, split;

	if (size < SEED_SIZE)
		return 0;
	uint64_t seed = UINT64_C(0x9e3779b97f4a7c15) * (1 + data[0] + 256u * data[1]);
	size = size < INPUT_MAX ? size - SEED_SIZE : INPUT_MAX - SEED_SIZE;
	char *bytes = stretch((const char *)data + SEED_SIZE, &size, data[2]);
	compare_parts(bytes, size, seed % (size + 1));
	at_once = (struct talk){ 0 };
	split = (struct talk){ .seed = seed };
	run_talk(&at_once, bytes, size);
	run_talk(&split, bytes, size);
	compare(&at_once, &split);
	talk_end(&at_once);
	talk_end(&split);
	free(bytes);
	must(!conn_first(), "a connection was left on the list");
	return 0;
}
