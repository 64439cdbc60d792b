#include "share.h"

#include "base/metric.h"

#include <stdio.h>

/* For each key, ARGV has: microseconds of a bucket, limit, buckets that count, asked, back, bucket; the answer has:
 * taken, sum, bucket, its age, reset. Two passes: what each window holds, then, if all have a permit, the taking.
 *
 * Redis' clock is its machine's wall clock, and another machine's after a failover. A little behind what a window has
 * seen, the window's newest bucket goes on; far behind, everything counts as of the next bucket: later than it
 * should, never earlier, and not longer than one length. */
static const char script_text[] =
    "local t = redis.call('TIME')\n"
    "local now = t[1] * 1000000 + t[2]\n"
    "local BEHIND = 3\n"
    "\n"
    "local function live(w)\n" /* its buckets, from the oldest on: their numbers and permits */
    "  local numbers = {}\n"
    "  for b = w.oldest, w.b do numbers[#numbers + 1] = b end\n"
    "  return numbers, redis.call('HMGET', w.key, unpack(numbers))\n"
    "end\n"
    "\n"
    "local function keep(w)\n" /* long enough for what is counted now, by a clock that is behind */
    "  redis.call('PEXPIRE', w.key, math.ceil(w.width * (w.counted + 2 + BEHIND) / 1000))\n"
    "end\n"
    "\n"
    "local function turn_back(w)\n"
    "  w.here = tonumber(redis.call('HGET', w.key, w.newest)) or 0\n"
    "  if w.newest - w.b <= BEHIND then w.b = w.newest return end\n"
    "  w.b = w.b + 1\n"
    "  w.oldest, w.newest, w.here = w.b, w.b, w.sum\n"
    "  redis.call('DEL', w.key)\n"
    "  redis.call('HSET', w.key, 'sum', w.sum, 'oldest', w.b, 'newest', w.b, w.b, w.sum)\n"
    "  keep(w)\n"
    "end\n"
    "\n"
    "local function drop(w)\n"
    "  local last = w.b - w.counted\n"
    "  if w.newest <= last then\n"
    "    redis.call('DEL', w.key)\n"
    "    w.sum, w.oldest, w.newest = 0, w.b, nil\n"
    "    return\n"
    "  end\n"
    "  local gone = {}\n"
    "  for b = w.oldest, last do gone[#gone + 1] = b end\n"
    "  for _, p in ipairs(redis.call('HMGET', w.key, unpack(gone))) do w.sum = w.sum - (p or 0) end\n"
    "  redis.call('HDEL', w.key, unpack(gone))\n"
    "  w.oldest = last + 1\n"
    "  redis.call('HSET', w.key, 'sum', w.sum, 'oldest', w.oldest)\n"
    "end\n"
    "\n"
    "local function give_back(w, n, bucket)\n"
    "  local had = tonumber(redis.call('HGET', w.key, bucket)) or 0\n"
    "  n = math.min(n, had)\n"
    "  if n == 0 then return end\n"
    "  w.sum = w.sum - n\n"
    "  if bucket == w.b then w.here = had - n end\n"
    "  redis.call('HSET', w.key, 'sum', w.sum, bucket, had - n)\n"
    "end\n"
    "\n"
    "local function give_oldest_back(w)\n"
    "  local numbers, permits = live(w)\n"
    "  for i, p in ipairs(permits) do\n"
    "    if p and p ~= '0' then return give_back(w, 1, numbers[i]) end\n"
    "  end\n"
    "end\n"
    "\n"
    "local function read(i)\n"
    "  local a = i * 6 - 6\n"
    "  local w = { key = KEYS[i], width = tonumber(ARGV[a + 1]), limit = tonumber(ARGV[a + 2]),\n"
    "              counted = tonumber(ARGV[a + 3]), asked = tonumber(ARGV[a + 4]), taken = 0 }\n"
    "  w.b = math.floor(now / w.width)\n"
    "  local v = redis.call('HMGET', w.key, 'sum', 'oldest', 'newest', w.b)\n"
    "  w.sum, w.oldest = tonumber(v[1]) or 0, tonumber(v[2]) or w.b\n"
    "  w.newest, w.here = tonumber(v[3]), tonumber(v[4]) or 0\n"
    "  if w.newest and w.newest > w.b then turn_back(w) end\n"
    "  if w.oldest <= w.b - w.counted then drop(w) end\n"
    "  local back = tonumber(ARGV[a + 5])\n"
    "  if back > 0 then give_back(w, back, tonumber(ARGV[a + 6])) end\n"
    "  if w.asked < 0 then give_oldest_back(w) end\n"
    "  return w\n"
    "end\n"
    "\n"
    "local function take(w)\n"
    "  w.taken = math.min(w.asked, w.limit - w.sum)\n"
    "  w.sum, w.here = w.sum + w.taken, w.here + w.taken\n"
    "  if w.newest == w.b then\n"
    "    redis.call('HSET', w.key, 'sum', w.sum, w.b, w.here)\n"
    "    return\n"
    "  end\n"
    "  w.newest = w.b\n"
    "  redis.call('HSET', w.key, 'sum', w.sum, w.b, w.here, 'oldest', w.oldest, 'newest', w.b)\n"
    "  keep(w)\n"
    "end\n"
    "\n"
    "local function reset(w)\n"
    "  if w.sum == 0 then return 0 end\n"
    "  local leaves, over = w.newest, w.sum - w.limit + 1\n"
    "  if w.taken == 0 and over > 0 then\n"
    "    local numbers, permits = live(w)\n"
    "    for i, p in ipairs(permits) do\n"
    "      over = over - (p or 0)\n"
    "      leaves = numbers[i]\n"
    "      if over <= 0 then break end\n"
    "    end\n"
    "  end\n"
    "  return (leaves + w.counted) * w.width - now\n"
    "end\n"
    "\n"
    "local ws, pass, answer = {}, true, {}\n"
    "for i = 1, #KEYS do\n"
    "  local w = read(i)\n"
    "  ws[i] = w\n"
    "  if w.asked > 0 and w.sum >= w.limit then pass = false end\n"
    "end\n"
    "for _, w in ipairs(ws) do\n"
    "  if pass and w.asked > 0 then take(w) end\n"
    "  local n = #answer\n"
    "  answer[n + 1], answer[n + 2], answer[n + 3] = w.taken, w.sum, w.b\n"
    "  answer[n + 4], answer[n + 5] = now - w.b * w.width, reset(w)\n"
    "end\n"
    "return answer\n";

static struct redis_script script = { .text = script_text };

#define ARGS 6    /* of a window */
#define ANSWERS 5 /* about a window */
#define DIGITS 20 /* of an int64 */
#define KEY_MAX 96

static struct str decimal(int64_t value, char *end)
{
    char *at = end;
    must(value >= 0 || value == CLAIM_RETURN);
    uint64_t rest = value < 0 ? (uint64_t)-value : (uint64_t)value;
    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0)
        *--at = '-';
    return (struct str){ at, (size_t)(end - at) };
}

static struct str key_text(struct redis *r, const struct window *w, char room[KEY_MAX])
{
    struct str prefix = redis_prefix(r);
    int n = snprintf(room, KEY_MAX, "%.*sw:%016llx:%lld", STR_ARG(prefix),
                     (unsigned long long)w->key, (long long)w->length);
    must(n > 0 && n < KEY_MAX);
    return (struct str){ room, (size_t)n };
}

void share_ask(struct redis *r, const struct claim *claims, int n, struct redis_reply *out,
               struct wait *wait)
{
    char keys[WINDOWS_MAX][KEY_MAX], digits[WINDOWS_MAX * ARGS][DIGITS];
    struct str argv[WINDOWS_MAX * (1 + ARGS)];
    must(n >= 1 && n <= WINDOWS_MAX);
    for (int i = 0; i < n; i++) {
        const struct claim *c = &claims[i];
        must(c->w->length > 0 && c->w->length % SHARES == 0 && c->w->limit >= 1);
        int64_t numbers[ARGS] = {
            c->w->length / SHARES,
            c->w->limit,
            SHARES + (c->ahead ? GOOD_BUCKETS : 1),
            c->asked,
            c->back,
            c->bucket,
        };
        argv[i] = key_text(r, c->w, keys[i]);
        for (int j = 0; j < ARGS; j++)
            argv[n + i * ARGS + j] = decimal(numbers[j], digits[i * ARGS + j] + DIGITS);
    }
    metric_add(METRIC_LIMIT_ROUND_TRIPS, 0, 1);
    redis_run(r, &script, n, n + n * ARGS, argv, out, wait);
}

bool share_read(const struct redis_reply *reply, const struct claim *claims, int n, int64_t sent,
                struct grant *grants)
{
    if (reply->err != OK || reply->n != n * ANSWERS)
        return false;
    for (int i = 0; i < reply->n; i++) {
        if (reply->at[i].type != REDIS_INT)
            return false;
    }
    for (int i = 0; i < n; i++) {
        const struct redis_value *v = reply->at + i * ANSWERS;
        int64_t left = claims[i].w->limit - v[1].i;
        grants[i] = (struct grant){
            .refused = v[0].i == 0 && left <= 0,
            .taken = v[0].i,
            .left = left > 0 ? left : 0,
            .bucket = v[2].i,
            .start = sent - v[3].i,
            .reset = v[4].i,
        };
    }
    return true;
}

void share_clear(struct redis *r, const struct window *w)
{
    char room[KEY_MAX];
    struct str argv[] = { STR("DEL"), key_text(r, w, room) };
    redis_ask(r, 2, argv, NULL, NULL);
}
