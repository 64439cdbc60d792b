"""HTTP that nobody sends by mistake. After each: exactly one reply, the connection closed, the next one unharmed, and
what was smuggled behind it never done."""
import random
import threading
import time
import unittest

from support import API, Case, Conn, Framing, Gone, Server, register, request

ENGINES = 'sqlite (postgres)'      # the store has no part in it
server = me = None


def setUpModule():
    global server, me
    server = Server().start()
    me = register(server)


def tearDownModule():
    me.close()
    server.finish()


def smuggled(name):
    """A change that is perfectly good, had it been a request."""
    return request('POST', API + 'startups', me.headers({'X-Request-ID': 'smuggled'}), {'name': name})


def get(*lines, line=b'GET /health/live HTTP/1.1', host=b'Host: gatehouse.test'):
    return b'\r\n'.join((line, *([host] if host else []), *lines)) + b'\r\n\r\n'


def post(*lines, body=b''):
    """A change with credentials, so that its body is read."""
    return b'\r\n'.join((f'POST {API}startups HTTP/1.1'.encode(), b'Host: gatehouse.test',
                         b'Authorization: Bearer ' + me.token.encode(), b'Content-Type: application/json',
                         *lines)) + b'\r\n\r\n' + body


def chunked(body):
    return post(b'Transfer-Encoding: chunked', body=body)


BODY = b'{"name":"smuggled"}'
CHUNKS = b'13\r\n' + BODY + b'\r\n0\r\n\r\n'

# name: (the bytes, or what makes them; statuses)
BAD_FRAMING = {
    'length_and_coding': (lambda: post(b'Content-Length: 19', b'Transfer-Encoding: chunked', body=CHUNKS), (400,)),
    'coding_and_length': (lambda: post(b'Transfer-Encoding: chunked', b'Content-Length: 5', body=CHUNKS), (400,)),
    'coding_and_zero_length': (lambda: post(b'Transfer-Encoding: chunked', b'Content-Length: 0', body=CHUNKS), (400,)),
    'two_lengths': (lambda: post(b'Content-Length: 19', b'Content-Length: 5', body=BODY), (400,)),
    'two_equal_lengths': (lambda: post(b'Content-Length: 19', b'Content-Length: 19', body=BODY), (400,)),
    'list_of_lengths': (lambda: post(b'Content-Length: 19, 19', body=BODY), (400,)),
    'length_with_plus': (lambda: post(b'Content-Length: +19', body=BODY), (400,)),
    'length_with_minus': (lambda: post(b'Content-Length: -19', body=BODY), (400,)),
    'length_minus_zero': (lambda: post(b'Content-Length: -0', body=BODY), (400,)),
    'length_in_hex': (lambda: post(b'Content-Length: 0x13', body=BODY), (400,)),
    'length_with_inner_space': (lambda: post(b'Content-Length: 1 9', body=BODY), (400,)),
    'length_with_exponent': (lambda: post(b'Content-Length: 1e1', body=BODY), (400,)),
    'length_with_fraction': (lambda: post(b'Content-Length: 19.0', body=BODY), (400,)),
    'length_empty': (lambda: post(b'Content-Length:', body=BODY), (400,)),
    'length_word': (lambda: post(b'Content-Length: ten', body=BODY), (400,)),
    'length_overflows_64_bits': (lambda: post(b'Content-Length: 18446744073709551635', body=BODY), (400, 413)),
    'length_wraps_to_zero': (lambda: post(b'Content-Length: 18446744073709551616', body=BODY), (400, 413)),
    'length_of_fifty_digits': (lambda: post(b'Content-Length: ' + b'9' * 50, body=BODY), (400, 413)),
    'length_and_one_with_space': (lambda: post(b'Content-Length: 19', b'Content-Length : 5', body=BODY), (400,)),
    'coding_identity': (lambda: post(b'Transfer-Encoding: identity', body=BODY), (400, 501)),
    'coding_gzip_chunked': (lambda: post(b'Transfer-Encoding: gzip, chunked', body=CHUNKS), (400, 501)),
    'coding_chunked_identity': (lambda: post(b'Transfer-Encoding: chunked, identity', body=CHUNKS), (400, 501)),
    'coding_chunked_gzip': (lambda: post(b'Transfer-Encoding: chunked, gzip', body=CHUNKS), (400, 501)),
    'coding_chunked_chunked': (lambda: post(b'Transfer-Encoding: chunked, chunked', body=CHUNKS), (400, 501)),
    'coding_xchunked': (lambda: post(b'Transfer-Encoding: xchunked', body=CHUNKS), (400, 501)),
    'coding_chunkedx': (lambda: post(b'Transfer-Encoding: chunkedx', body=CHUNKS), (400, 501)),
    'coding_quoted': (lambda: post(b'Transfer-Encoding: "chunked"', body=CHUNKS), (400, 501)),
    'coding_with_parameter': (lambda: post(b'Transfer-Encoding: chunked;a=b', body=CHUNKS), (400, 501)),
    'coding_behind_vertical_tab': (lambda: post(b'Transfer-Encoding: \x0bchunked', body=CHUNKS), (400, 501)),
    'coding_empty': (lambda: post(b'Transfer-Encoding:', body=CHUNKS), (400, 501)),
    'coding_folded': (lambda: post(b'Transfer-Encoding:\r\n chunked', body=CHUNKS), (400, 501)),
    'coding_twice': (lambda: post(b'Transfer-Encoding: chunked', b'Transfer-Encoding: identity', body=CHUNKS),
                     (400, 501)),
    'coding_name_with_space': (lambda: post(b'Transfer-Encoding : chunked', body=CHUNKS), (400,)),
    'coding_in_http_1_0': (lambda: post(b'Transfer-Encoding: chunked', body=CHUNKS).replace(b'HTTP/1.1', b'HTTP/1.0'),
                           (400, 501)),
}

BAD_CHUNKS = {
    'size_no_hex': (lambda: chunked(b'zz\r\n' + BODY + b'\r\n0\r\n\r\n'), (400,)),
    'size_missing': (lambda: chunked(b'\r\n' + BODY + b'\r\n0\r\n\r\n'), (400,)),
    'size_negative': (lambda: chunked(b'-13\r\n' + BODY + b'\r\n0\r\n\r\n'), (400,)),
    'size_plus': (lambda: chunked(b'+13\r\n' + BODY + b'\r\n0\r\n\r\n'), (400,)),
    'size_0x': (lambda: chunked(b'0x13\r\n' + BODY + b'\r\n0\r\n\r\n'), (400,)),
    'size_with_space_before': (lambda: chunked(b' 13\r\n' + BODY + b'\r\n0\r\n\r\n'), (400,)),
    'size_with_space_behind': (lambda: chunked(b'13 \r\n' + BODY + b'\r\n0\r\n\r\n'), (400,)),
    'size_overflows': (lambda: chunked(b'10000000000000013\r\n' + BODY + b'\r\n0\r\n\r\n'), (400, 413)),
    'size_of_sixty_digits': (lambda: chunked(b'0' * 59 + b'f' * 17 + b'\r\n' + BODY), (400, 413)),
    'size_line_ends_with_lf': (lambda: chunked(b'13\n' + BODY + b'\r\n0\r\n\r\n'), (400,)),
    'size_line_ends_with_cr': (lambda: chunked(b'13\r' + BODY + b'\r\n0\r\n\r\n'), (400,)),
    'longer_than_said': (lambda: chunked(b'5\r\n' + BODY + b'\r\n0\r\n\r\n'), (400,)),
    'shorter_than_said': (lambda: chunked(b'14\r\n' + BODY + b'\r\n0\r\n\r\n'), (400,)),
    'end_with_lf': (lambda: chunked(b'13\r\n' + BODY + b'\n0\r\n\r\n'), (400,)),
    'extension_with_nul': (lambda: chunked(b'13;a=\0\r\n' + BODY + b'\r\n0\r\n\r\n'), (400,)),
    'extension_with_lf': (lambda: chunked(b'13;a=b\nc\r\n' + BODY + b'\r\n0\r\n\r\n'), (400,)),
    'extension_with_cr': (lambda: chunked(b'13;a=b\rc\r\n' + BODY + b'\r\n0\r\n\r\n'), (400,)),
    'trailer_folded': (lambda: chunked(b'13\r\n' + BODY + b'\r\n0\r\nA: b\r\n c\r\n\r\n'), (400,)),
    'trailer_with_lf': (lambda: chunked(b'13\r\n' + BODY + b'\r\n0\r\nA: b\n\r\n'), (400,)),
    'trailer_without_colon': (lambda: chunked(b'13\r\n' + BODY + b'\r\n0\r\nnonsense\r\n\r\n'), (400,)),
    'last_chunk_ends_with_lf': (lambda: chunked(b'13\r\n' + BODY + b'\r\n0\n\n'), (400,)),
}

BAD_HEADERS = {
    'folded': (get(b'X-Long: a', b' b'), (400,)),
    'folded_with_tab': (get(b'X-Long: a', b'\tb'), (400,)),
    'folded_at_once': (get(b' X-First: a', host=b''), (400,)),
    'folded_host': (get(host=b'Host:\r\n gatehouse.test'), (400,)),
    'request_line_ends_with_lf': (b'GET /health/live HTTP/1.1\nHost: x\r\n\r\n', (400,)),
    'header_ends_with_lf': (b'GET /health/live HTTP/1.1\r\nHost: x\n\r\n', (400,)),
    'all_lf': (b'GET /health/live HTTP/1.1\nHost: x\n\n', (400,)),
    'head_ends_with_lf': (b'GET /health/live HTTP/1.1\r\nHost: x\r\nA: b\r\n\n', (400,)),
    'bare_cr_in_value': (get(b'X-A: a\rb'), (400,)),
    'cr_ends_header': (b'GET /health/live HTTP/1.1\r\nHost: x\rX-A: b\r\n\r\n', (400,)),
    'nul_in_value': (get(b'X-A: a\0b'), (400,)),
    'nul_in_name': (get(b'X-\0A: ab'), (400,)),
    'nul_in_target': (get(line=b'GET /health/live\0 HTTP/1.1'), (400,)),
    'nul_first': (b'\0' + get(), (400,)),
    'control_in_value': (get(b'X-A: a\x01b'), (400,)),
    'delete_in_value': (get(b'X-A: a\x7fb'), (400,)),
    'space_before_colon': (get(b'X-A : b'), (400,)),
    'tab_before_colon': (get(b'X-A\t: b'), (400,)),
    'space_in_name': (get(b'X A: b'), (400,)),
    'no_colon': (get(b'nonsense'), (400,)),
    'no_name': (get(b': value'), (400,)),
    'name_in_parentheses': (get(b'X(A): b'), (400,)),
    'name_in_latin_1': (get(b'X-\xe9: b'), (400,)),
    'no_host': (get(host=b''), (400,)),
    'two_hosts': (get(b'Host: gatehouse.test'), (400,)),
    'two_other_hosts': (get(b'host: evil.example'), (400,)),
    'host_with_space': (get(host=b'Host: a b'), (400,)),
    'host_with_slash': (get(host=b'Host: a/b'), (400,)),
    'host_with_user': (get(host=b'Host: a@b'), (400,)),
    'host_with_markup': (get(host=b'Host: <script>'), (400,)),
    'host_list': (get(host=b'Host: a, b'), (400,)),
    'two_authorizations': (get(b'Authorization: Bearer a', b'Authorization: Bearer b'), (400,)),
    'two_api_keys': (get(b'X-API-Key: a', b'X-API-Key: b'), (400,)),
    'two_content_types': (get(b'Content-Type: application/json', b'Content-Type: text/plain'), (400,)),
    'two_idempotency_keys': (get(b'Idempotency-Key: a', b'Idempotency-Key: b'), (400,)),
    'header_of_nine_thousand_bytes': (get(b'X-A: ' + b'a' * 9000), (431,)),
    'name_of_nine_thousand_bytes': (get(b'X-' + b'a' * 9000 + b': a'), (431,)),
    'eighty_headers_of_200_bytes': (get(*(b'X-%d: ' % i + b'a' * 200 for i in range(80))), (431,)),
    'hundred_and_one_headers': (get(*(b'X-%d: a' % i for i in range(100))), (431,)),
    'a_thousand_headers': (get(*(b'X: ' for i in range(1000))), (431,)),
}

BAD_LINES = {
    'method_in_lower_case': (get(line=b'get /health/live HTTP/1.1'), (400, 501)),
    'method_in_mixed_case': (get(line=b'Get /health/live HTTP/1.1'), (400, 501)),
    'method_unknown': (get(line=b'BREW /health/live HTTP/1.1'), (400, 501)),
    'method_very_long': (get(line=b'A' * 5000 + b' /health/live HTTP/1.1'), (400, 414, 431, 501)),
    'method_missing': (get(line=b' /health/live HTTP/1.1'), (400,)),
    'method_with_bracket': (get(line=b'GE(T /health/live HTTP/1.1'), (400, 501)),
    'connect': (get(line=b'CONNECT gatehouse.test:443 HTTP/1.1'), (400, 405, 501)),
    'tabs': (get(line=b'GET\t/health/live\tHTTP/1.1'), (400,)),
    'space_behind_version': (get(line=b'GET /health/live HTTP/1.1 '), (400, 505)),
    'no_version': (get(line=b'GET /health/live'), (400, 505)),
    'http_0_9': (b'GET /health/live\r\n\r\n', (400, 505)),
    'version_lower_case': (get(line=b'GET /health/live http/1.1'), (400, 505)),
    'version_two_digits': (get(line=b'GET /health/live HTTP/1.10'), (400, 505)),
    'version_without_dot': (get(line=b'GET /health/live HTTP/11'), (400, 505)),
    'version_word': (get(line=b'GET /health/live HTTP/1.x'), (400, 505)),
    'version_2': (get(line=b'GET /health/live HTTP/2.0'), (400, 505)),
    'version_3': (get(line=b'GET /health/live HTTP/3.0'), (400, 505)),
    'protocol_other': (get(line=b'GET /health/live ICAP/1.0'), (400, 505)),
    'preface_of_http_2': (b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x12\4\0\0\0\0\0', (400, 501, 505)),
    'target_without_slash': (get(line=b'GET health/live HTTP/1.1'), (400,)),
    'target_empty': (get(line=b'GET  HTTP/1.1'), (400,)),
    'target_star_for_get': (get(line=b'GET * HTTP/1.1'), (400,)),
    'target_with_fragment': (get(line=b'GET /health/live#a HTTP/1.1'), (400,)),
    'target_with_space': (get(line=b'GET /health /live HTTP/1.1'), (400, 505)),
    'target_with_control': (get(line=b'GET /health/\x01live HTTP/1.1'), (400,)),
    'target_with_delete': (get(line=b'GET /health/\x7flive HTTP/1.1'), (400,)),
    'target_absolute_ftp': (get(line=b'GET ftp://x/health/live HTTP/1.1'), (400,)),
    'target_absolute_with_user': (get(line=b'GET http://a@b/health/live HTTP/1.1'), (400,)),
    'target_absolute_without_host': (get(line=b'GET http:///health/live HTTP/1.1'), (400,)),
    'target_of_8193_bytes': (get(line=b'GET /' + b'a' * 8192 + b' HTTP/1.1'), (414,)),
    'target_of_20000_bytes': (get(line=b'GET /' + b'a' * 20000 + b' HTTP/1.1'), (414,)),
    'target_of_a_mebibyte': (get(line=b'GET /?' + b'a' * (1 << 20) + b' HTTP/1.1'), (414,)),
    'hello_of_tls': (b'\x16\3\1\2\0\1\0\1\xfc\3\3' + bytes(range(32)) + b'\x20' + bytes(64), (400,)),
    'garbage': (bytes(range(128, 256)) * 4, (400,)),
    'ssh': (b'SSH-2.0-OpenSSH_9.2\r\n', (400, 501)),
}

BAD_SIZES = {
    'length_over_the_limit': (lambda: post(b'Content-Length: 1048577'), (413,)),
    'length_of_a_petabyte': (lambda: post(b'Content-Length: 1000000000000000'), (413,)),
    'length_near_64_bits': (lambda: post(b'Content-Length: 9223372036854775807'), (413, 400)),
    'chunk_over_the_limit': (lambda: chunked(b'100001\r\n' + b'a' * 70000), (413,)),
    'chunks_over_the_limit': (lambda: chunked(b'10000\r\n' + b'a' * 65536 + b'\r\n'
                                              + (b'10000\r\n' + b'a' * 65536 + b'\r\n') * 16), (413,)),
}


class Attack(Case):
    """A test for each row of the tables above is added below."""

    def attack(self, what, statuses, more=True):
        data = what() if callable(what) else what
        with Conn(server.port, timeout=8) as conn:
            conn.try_send(data)
            if more:
                conn.try_send(smuggled(self.id()))
            reply = conn.reply()
            self.assert_problem(reply, statuses)
            self.assertNotEqual(reply.get('X-Request-ID'), 'smuggled')
            self.assertTrue(reply.closes, reply)
            conn.nothing_but_end()
        self.unharmed()

    def behind_a_good_one(self, what, statuses):
        """The request before it is answered all the same."""
        data = what() if callable(what) else what
        with Conn(server.port, timeout=8) as conn:
            conn.try_send(get(b'X-Request-ID: good') + data + smuggled(self.id()))
            self.assertEqual(conn.reply().get('X-Request-ID'), 'good')
            self.assert_problem(conn.reply(), statuses)
            conn.nothing_but_end()

    def unharmed(self):
        with Conn(server.port) as conn:
            self.assert_status(conn.ask('GET', '/health/live'), 200)

    def tearDown(self):
        names = [row['name'] for row in me.walk('startups', 1000)]
        self.assertNotIn(self.id(), names, 'what was smuggled behind the request has been done')
        self.assertNotIn('smuggled', names, 'a body that could not be read has been taken')


def add_tests(family, table):
    for name, (what, statuses) in table.items():
        def alone(self, what=what, statuses=statuses):
            self.attack(what, statuses)

        def behind(self, what=what, statuses=statuses):
            self.behind_a_good_one(what, statuses)
        setattr(Attack, f'test_{family}_{name}', alone)
        setattr(Attack, f'test_{family}_{name}_behind_a_good_one', behind)


add_tests('framing', BAD_FRAMING)
add_tests('chunk', BAD_CHUNKS)
add_tests('header', BAD_HEADERS)
add_tests('line', BAD_LINES)


def add_sizes():
    for name, (what, statuses) in BAD_SIZES.items():
        # The rest of such a body never comes, so nothing may be waited for.
        def size(self, what=what, statuses=statuses):
            self.attack(what, statuses, more=False)
        setattr(Attack, f'test_size_{name}', size)


add_sizes()


LONG = get(*(b'X-%02d: ' % i + b'a' * 190 for i in range(38)), line=b'GET /' + b'a' * 7999 + b' HTTP/1.1')


class JustRight(Case):
    """The other side of each limit: what is allowed is not refused."""

    def live(self, data, *statuses):
        with Conn(server.port) as conn:
            conn.send(data)
            reply = conn.reply()
            self.assert_status(reply, *(statuses or (200,)))
            self.assertFalse(reply.closes)

    def test_headers_of_nearly_8_kib(self):
        self.live(get(*(b'X-%02d: ' % i + b'a' * 190 for i in range(38))))

    def test_one_hundred_headers(self):
        self.live(get(*(b'X-%d: a' % i for i in range(99))))

    def test_target_of_8000_bytes(self):
        self.live(get(line=b'GET /' + b'a' * 7999 + b' HTTP/1.1'), 404)

    def test_long_target_and_long_headers_together(self):
        self.live(LONG, 404)

    def test_long_head_in_pieces(self):
        with Conn(server.port) as conn:
            for at in range(0, len(LONG), 331):
                conn.send(LONG[at:at + 331])
                time.sleep(0.001)
            self.assert_status(conn.reply(), 404)

    def test_spaces_around_a_value(self):
        self.live(get(b'Content-Length:   0  ', b'X-A: \t b \t '))

    def test_hosts(self):
        for host in (b'localhost', b'localhost:8000', b'[::1]:80', b'127.0.0.1', b'a.b-c_d'):
            with self.subTest(host):
                self.live(get(host=b'Host: ' + host))

    def test_body_of_just_1_mib_is_read(self):
        body = b'{"name":"' + b'a' * ((1 << 20) - 11) + b'"}'
        with Conn(server.port) as conn:
            conn.try_send(post(b'Content-Length: %d' % len(body), body=body))
            self.assert_problem(conn.reply('POST'), 422)
            self.assert_status(conn.ask('GET', '/health/live'), 200)

    def test_latin_1_in_a_value_is_harmless(self):
        self.live(get(b'X-Name: caf\xe9'))


class Endless(Case):
    """What never ends is refused as soon as it is too long, not when it ends."""

    def pour(self, start, piece, *statuses):
        with Conn(server.port, timeout=8) as conn:
            conn.send(start)
            begun = time.monotonic()
            while time.monotonic() - begun < 5 and conn.quiet(0) and conn.try_send(piece * 50):
                pass
            self.assert_problem(conn.reply(), statuses)
        with Conn(server.port) as conn:
            self.assert_status(conn.ask('GET', '/health/live'), 200)

    def test_target(self):
        self.pour(b'GET /', b'aaaaaaaa', 414)

    def test_header_value(self):
        self.pour(b'GET / HTTP/1.1\r\nX: ', b'aaaaaaaa', 431)

    def test_header_name(self):
        self.pour(b'GET / HTTP/1.1\r\n', b'aaaaaaaa', 431)

    def test_headers(self):
        self.pour(b'GET / HTTP/1.1\r\n', b'A: b\r\n', 431)

    def test_chunks(self):
        self.pour(chunked(b''), b'8\r\naaaaaaaa\r\n', 413)

    def test_chunks_of_one_byte(self):
        self.pour(chunked(b''), b'1\r\na\r\n', 413, 400)

    def test_chunk_extension(self):
        self.pour(chunked(b'5;'), b'aaaaaaaa', 400, 413, 431)

    def test_trailers(self):
        self.pour(chunked(b'13\r\n' + BODY + b'\r\n0\r\n'), b'A: b\r\n', 400, 413, 431)

    def test_empty_lines(self):
        with Conn(server.port, timeout=8) as conn:
            begun = time.monotonic()
            while time.monotonic() - begun < 2 and conn.quiet(0) and conn.try_send(b'\r\n' * 1000):
                pass
        with Conn(server.port) as conn:
            self.assert_status(conn.ask('GET', '/health/live'), 200)


class Mutated(Case):
    def test_two_thousand_damaged_requests(self):
        """Whatever it makes of them: replies that are well framed, or an end; and it lives."""
        dice = random.Random(20)
        whole = [get(b'Content-Length: 0'), post(b'Content-Length: 19', body=BODY).replace(b'Bearer', b'Nobody'),
                 chunked(CHUNKS).replace(b'Bearer', b'Nobody'),
                 get(b'Expect: 100-continue', b'Content-Length: 3') + b'abc']
        odd = b'\0\r\n\t :;,/\xff\x7f0123456789abcdefGET'
        for number in range(2000):
            data = bytearray(dice.choice(whole))
            for _ in range(dice.randint(1, 4)):
                at = dice.randrange(len(data))
                kind = dice.randrange(4)
                if kind == 0:
                    data[at] = dice.choice(odd)
                elif kind == 1:
                    del data[at:at + dice.randint(1, 8)]
                elif kind == 2:
                    data[at:at] = bytes(dice.choice(odd) for _ in range(dice.randint(1, 4)))
                else:
                    data[at:at] = data[at:at + dice.randint(1, 30)]
            with self.subTest(number=number, data=bytes(data)), Conn(server.port) as conn:
                conn.try_send(data)
                conn.half_close()
                try:
                    while True:
                        self.assertIn(conn.reply('GET').status // 100, (1, 2, 4, 5))
                except Gone:
                    pass
                except Framing as why:
                    # A HEAD that came about by damage has no body to be read.
                    if b'HEAD' not in data:
                        raise AssertionError(str(why)) from why
        with Conn(server.port) as conn:
            self.assert_status(conn.ask('GET', '/health/live'), 200)


class Slow(Case):
    """All slow peers of this class begin together, so that the class takes as long as the slowest."""

    @classmethod
    def setUpClass(cls):
        cls.results = {}
        cls.threads = [threading.Thread(target=cls.run_one, args=(name, function)) for name, function in (
            ('head', lambda conn: cls.trickle(conn, b'GET /health/live HTTP/1.1\r\nX: ' + b'a' * 8000, 0.25)),
            ('silent head', lambda conn: cls.trickle(conn, b'GET /heal', 0)),
            ('body', lambda conn: cls.trickle(conn, b'{"name":"' + b'a' * 8000, 0.25,
                                              post(b'Content-Length: 100000'))),
            ('silent body', lambda conn: cls.trickle(conn, b'', 0, post(b'Content-Length: 100'))),
            ('second head', lambda conn: cls.trickle(conn, b'GET /health/live HTTP/1.1\r\nX: ' + b'a' * 8000, 0.25,
                                                     get())),
            ('steady body', cls.steady),
        )]
        for thread in cls.threads:
            thread.start()

    @classmethod
    def tearDownClass(cls):
        for thread in cls.threads:
            thread.join()

    @classmethod
    def run_one(cls, name, function):
        with Conn(server.port, timeout=25) as conn:
            begun = time.monotonic()
            try:
                reply = function(conn)
            except (Framing, Gone, OSError) as why:
                reply = why
            cls.results[name] = (time.monotonic() - begun, reply)

    @staticmethod
    def trickle(conn, data, pause, first=b''):
        """One byte after the other until the server answers; the last reply, or None for an end without one."""
        conn.send(first)
        if first.startswith(b'GET'):
            conn.reply()
        until = time.monotonic() + 20
        for byte in data:
            if not conn.quiet(pause) or time.monotonic() > until or not conn.try_send(bytes([byte])):
                break
        try:
            reply = conn.reply()
        except Gone:
            return None
        conn.nothing_but_end()
        return reply

    @staticmethod
    def steady(conn):
        """Some KiB a second is slow and allowed. The name is too long, so that nothing comes of it."""
        body = b'{"name":"' + b'a' * 40000 + b'"}'
        conn.send(post(b'Content-Length: %d' % len(body)))
        for at in range(0, len(body), 600):
            conn.send(body[at:at + 600])
            time.sleep(0.2)
        return conn.reply('POST')

    def outcome(self, name):
        for thread in self.threads:
            thread.join(30)
        seconds, reply = self.results[name]
        if isinstance(reply, Exception):
            raise reply
        return seconds, reply

    def check_deadline(self, name, least, most):
        seconds, reply = self.outcome(name)
        self.assertTrue(least <= seconds <= most, f'{name}: {seconds:.1f} s')
        if reply is not None:
            self.assert_problem(reply, 408)

    def test_a_head_has_ten_seconds_in_all(self):
        self.check_deadline('head', 9, 12.5)

    def test_a_silent_head_has_ten_seconds(self):
        self.check_deadline('silent head', 9, 12.5)

    def test_a_second_head_has_ten_seconds_in_all(self):
        self.check_deadline('second head', 9, 12.5)

    def test_a_body_must_come_with_a_minimum_rate(self):
        self.check_deadline('body', 5, 17)

    def test_a_silent_body_ends(self):
        self.check_deadline('silent body', 5, 17)

    def test_a_slow_but_steady_body_is_served(self):
        _, reply = self.outcome('steady body')
        self.assert_problem(reply, 422)


if __name__ == '__main__':
    unittest.main()
