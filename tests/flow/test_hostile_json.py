"""Bodies that are no strict JSON, or not what was asked for. The connection survives each of them."""
import time
import unittest

from support import Case, Conn, Server, register, request, strict_json

ENGINES = 'sqlite (postgres)'      # the store has no part in it
server = me = None


def setUpModule():
    global server, me
    server = Server().start()
    me = register(server)


def tearDownModule():
    me.close()
    server.finish()


def nested(depth, opening=b'[', closing=b']'):
    """A startup whose body nests that deep in all: the root object, metadata, and the rest."""
    return b'{"name":"deep","metadata":{"a":' + opening * (depth - 2) + closing * (depth - 2) + b'}}'


def with_metadata(value):
    return b'{"name":"n","metadata":{"a":' + value + b'}}'


UNREADABLE = {
    'empty': b'',
    'space': b' \r\n\t ',
    'bom': b'\xef\xbb\xbf{"name":"n"}',
    'bom_of_utf_16': '{"name":"n"}'.encode('utf-16'),
    'utf_16_without_bom': '{"name":"n"}'.encode('utf-16-le'),
    'trailing_word': b'{"name":"n"} x',
    'trailing_brace': b'{"name":"n"}}',
    'two_documents': b'{"name":"n"}{"name":"m"}',
    'two_documents_in_lines': b'{"name":"n"}\n{"name":"m"}',
    'trailing_nul': b'{"name":"n"}\0',
    'trailing_comma': b'{"name":"n",}',
    'leading_comma': b'{,"name":"n"}',
    'missing_comma': b'{"name":"n" "kind":"m"}',
    'missing_colon': b'{"name" "n"}',
    'missing_value': b'{"name":}',
    'unclosed': b'{"name":"n"',
    'unclosed_text': b'{"name":"n',
    'comment': b'{"name":"n"/* c */}',
    'line_comment': b'{"name":"n"} // c',
    'single_quotes': b"{'name':'n'}",
    'bare_key': b'{name:"n"}',
    'nan': with_metadata(b'NaN'),
    'infinity': with_metadata(b'Infinity'),
    'minus_infinity': with_metadata(b'-Infinity'),
    'number_beyond_double': with_metadata(b'1e999'),
    'negative_number_beyond_double': with_metadata(b'-1e999'),
    'number_with_leading_zero': with_metadata(b'01'),
    'number_with_plus': with_metadata(b'+1'),
    'number_without_whole_part': with_metadata(b'.5'),
    'number_without_fraction': with_metadata(b'1.'),
    'number_without_exponent': with_metadata(b'1e'),
    'number_in_hex': with_metadata(b'0x10'),
    'number_minus_alone': with_metadata(b'-'),
    'word_capital': with_metadata(b'True'),
    'word_undefined': with_metadata(b'undefined'),
    'raw_newline_in_text': b'{"name":"a\nb"}',
    'raw_tab_in_text': b'{"name":"a\tb"}',
    'raw_nul_in_text': b'{"name":"a\0b"}',
    'raw_control_in_text': b'{"name":"a\x1fb"}',
    'escape_x': b'{"name":"\\x41"}',
    'escape_quote': b'{"name":"\\\'"}',
    'escape_u_short': b'{"name":"\\u12"}',
    'escape_u_no_hex': b'{"name":"\\u12g4"}',
    'escape_unfinished': b'{"name":"\\"}',
    'high_surrogate_alone': b'{"name":"a\\ud800b"}',
    'high_surrogate_at_the_end': b'{"name":"a\\ud800"}',
    'low_surrogate_alone': b'{"name":"a\\udc00b"}',
    'surrogates_in_reverse': b'{"name":"\\udc00\\ud800"}',
    'two_high_surrogates': b'{"name":"\\ud800\\ud800"}',
    'lone_surrogate_in_metadata': with_metadata(b'"\\udfff"'),
    'lone_surrogate_in_key': b'{"name":"n","metadata":{"\\ud800":1}}',
    'utf8_invalid': b'{"name":"a\xffb"}',
    'utf8_continuation_alone': b'{"name":"a\x80b"}',
    'utf8_cut': b'{"name":"a\xc3"}',
    'utf8_overlong_2': b'{"name":"\xc0\x80"}',
    'utf8_overlong_slash': b'{"name":"\xc0\xaf"}',
    'utf8_overlong_3': b'{"name":"\xe0\x80\xaf"}',
    'utf8_overlong_4': b'{"name":"\xf0\x80\x80\xaf"}',
    'utf8_surrogate': b'{"name":"\xed\xa0\x80"}',
    'utf8_beyond_unicode': b'{"name":"\xf4\x90\x80\x80"}',
    'utf8_five_bytes': b'{"name":"\xf8\x88\x80\x80\x80"}',
    'latin_1': 'éé'.encode('latin-1').join((b'{"name":"', b'"}')),
    'depth_65_of_arrays': nested(65),
    'depth_65_of_objects': b'{"name":"n","metadata":' + b'{"a":' * 63 + b'{}' + b'}' * 63 + b'}',
    'depth_100000': b'{"name":"n","metadata":{"a":' + b'[' * 100000 + b']' * 100000 + b'}}',
    'depth_300000_unclosed': b'[' * 300000,
    'depth_150000_unclosed_objects': b'{"a":' * 150000,
    'duplicate_key': b'{"name":"n","name":"m"}',
    'duplicate_key_same_value': b'{"name":"n","name":"n"}',
    'duplicate_key_by_escape': b'{"name":"n","n\\u0061me":"m"}',
    'duplicate_key_in_metadata': b'{"name":"n","metadata":{"a":1,"a":2}}',
    'duplicate_key_deep_in_metadata': b'{"name":"n","metadata":{"a":[{"b":{"c":1,"c":1}}]}}',
    'duplicate_key_by_escape_in_metadata': b'{"name":"n","metadata":{"a":1,"\\u0061":2}}',
    'unknown_key': b'{"name":"n","nome":"m"}',
    'unknown_key_in_other_case': b'{"name":"n","Name":"m"}',
    'unknown_key_empty': b'{"name":"n","":"m"}',
    'unknown_key_with_nul': b'{"name":"n","name\\u0000":"m"}',
    'unknown_key_proto': b'{"name":"n","__proto__":{"admin":true}}',
    'form': b'name=n',
    'xml': b'<name>n</name>',
}

# What is JSON and can be read, but is not allowed there.
NOT_ALLOWED = {
    'array': b'[]',
    'array_of_rows': b'[{"name":"n"}]',
    'text': b'"name"',
    'number': b'5',
    'null': b'null',
    'true': b'true',
    'nul_escaped_in_text': b'{"name":"a\\u0000b"}',
    'nul_escaped_in_metadata': with_metadata(b'"\\u0000"'),
    'nul_escaped_in_metadata_key': b'{"name":"n","metadata":{"a\\u0000":1}}',
    'server_made_id': b'{"name":"n","id":"018f3e2a-7c4b-7d21-9a3f-5b6c7d8e9f01"}',
    'server_made_owner': b'{"name":"n","owner_id":"018f3e2a-7c4b-7d21-9a3f-5b6c7d8e9f01"}',
    'server_made_version': b'{"name":"n","version":7}',
    'server_made_created_at': b'{"name":"n","created_at":"2020-01-01T00:00:00Z"}',
}

# (body, field of errors[], codes)
WRONG_VALUES = {
    'name_missing': (b'{}', 'name', ('required',)),
    'name_null': (b'{"name":null}', 'name', ('required', 'type')),
    'name_number': (b'{"name":5}', 'name', ('type',)),
    'name_true': (b'{"name":true}', 'name', ('type',)),
    'name_array': (b'{"name":["n"]}', 'name', ('type',)),
    'name_object': (b'{"name":{"a":"n"}}', 'name', ('type',)),
    'name_empty': (b'{"name":""}', 'name', ('length',)),
    'name_too_long': (b'{"name":"' + b'n' * 5000 + b'"}', 'name', ('length',)),
    'industry_number': (b'{"name":"n","industry":1}', 'industry', ('type',)),
    'metadata_array': (b'{"name":"n","metadata":[]}', 'metadata', ('type',)),
    'metadata_text': (b'{"name":"n","metadata":"{}"}', 'metadata', ('type',)),
    'metadata_number': (b'{"name":"n","metadata":0}', 'metadata', ('type',)),
    'metadata_too_large': (with_metadata(b'"' + b'a' * 70000 + b'"'), 'metadata', ('length', 'range')),
    'status_number': (b'{"name":"n","status":1}', 'status', ('type', 'oneof')),
}


class Refusing(Case):
    def post(self, conn, body, path='/api/v1/startups'):
        conn.send(request('POST', path, me.headers({'Content-Type': 'application/json'}), body))
        return conn.final('POST')

    def refuse(self, body, *wanted):
        with Conn(server.port) as conn:
            begun = time.monotonic()
            reply = self.post(conn, body)
            self.assertLess(time.monotonic() - begun, 3)
            told = self.assert_problem(reply, wanted)
            self.assert_status(conn.ask('GET', '/health/live'), 200)
        return told


class Bodies(Refusing):
    """A test for each row of the tables above is added here."""


def add_tests():
    for name, body in UNREADABLE.items():
        def unreadable(self, body=body):
            self.refuse(body, 400)
        setattr(Bodies, f'test_unreadable_{name}', unreadable)
    for name, body in NOT_ALLOWED.items():
        def not_allowed(self, body=body):
            self.refuse(body, 400, 422)
        setattr(Bodies, f'test_not_allowed_{name}', not_allowed)
    for name, (body, field, codes) in WRONG_VALUES.items():
        def wrong(self, body=body, field=field, codes=codes):
            with Conn(server.port) as conn:
                self.assert_fault(self.post(conn, body), field, *codes)
        setattr(Bodies, f'test_wrong_value_{name}', wrong)


add_tests()


class Codes(Refusing):
    def test_unknown_key_is_named(self):
        told = self.refuse(b'{"name":"n","nome":"m"}', 400)
        self.assertEqual(told['code'], 'bad_key')
        self.assertIn('nome', [fault['field'] for fault in told['errors']])

    def test_duplicate_key(self):
        self.assertIn(self.refuse(b'{"name":"n","name":"m"}', 400)['code'], ('bad_key', 'bad_json'))

    def test_no_json(self):
        self.assertEqual(self.refuse(b'{"name":', 400)['code'], 'bad_json')

    def test_every_wrong_field_is_named_at_once(self):
        told = self.refuse(b'{"name":5,"industry":[],"metadata":1}', 422)
        self.assertLessEqual({'name', 'industry', 'metadata'}, {fault['field'] for fault in told['errors']})

    def test_a_refusal_does_not_repeat_what_it_was_given(self):
        told = self.refuse(b'{"name":{"secret":"hunter2hunter2"}}', 422)
        self.assertNotIn('hunter2', str(told))


class Accepted(Case):
    """The other side: JSON that is strict is taken, and given back as it was."""

    def keep(self, body, raw=None):
        with Conn(server.port) as conn:
            conn.send(request('POST', '/api/v1/startups', me.headers({'Content-Type': 'application/json'}), body))
            reply = conn.final('POST')
            self.assert_status(reply, 201)
            row = conn.ask('GET', '/api/v1/startups/' + reply.json['id'], me.headers())
            self.assert_status(row, 200)
            if raw is not None:
                self.assertIn(raw, row.body.replace(b' ', b''))
            return row.json

    def test_all_of_unicode(self):
        name = 'Ä€𝄞漢字\U0010ffff\u2028'
        self.assertEqual(self.keep(f'{{"name":"{name}"}}'.encode())['name'], name)

    def test_escapes(self):
        row = self.keep(with_metadata(b'"\\u00e9\\ud834\\udd1e\\n\\t\\"\\\\\\/\\b\\f\\r"'))
        self.assertEqual(row['metadata']['a'], 'é\U0001d11e\n\t"\\/\b\f\r')

    def test_escaped_key(self):
        self.assertEqual(self.keep(b'{"n\\u0061me":"n"}')['name'], 'n')

    def test_space_everywhere(self):
        self.assertEqual(self.keep(b' \r\n\t{ \n"name"\t:\r"n" , "metadata" : { } } \n')['name'], 'n')

    def test_depth_64(self):
        self.keep(nested(64))

    def test_large_integers_are_exact_or_refused(self):
        for digits in (b'9007199254740993', b'-9007199254740993', b'9223372036854775807', b'-9223372036854775808',
                       b'18446744073709551615', b'18446744073709551616', b'123456789012345678901234567890'):
            with self.subTest(digits), Conn(server.port) as conn:
                conn.send(request('POST', '/api/v1/startups', me.headers({'Content-Type': 'application/json'}),
                                  with_metadata(digits)))
                reply = conn.final('POST')
                self.assert_status(reply, 201, 400, 422)
                if reply.status == 201:
                    row = conn.ask('GET', '/api/v1/startups/' + reply.json['id'], me.headers())
                    self.assertIn(b'"a":' + digits + b'}', row.body.replace(b' ', b''))

    def test_53_bits_are_taken(self):
        self.keep(with_metadata(b'9007199254740993'), b'"a":9007199254740993}')

    def test_fractions_are_kept(self):
        for text, value in ((b'0.1', 0.1), (b'-1.5e-7', -1.5e-7), (b'1E2', 100.0), (b'-0.0', -0.0)):
            with self.subTest(text):
                self.assertEqual(self.keep(with_metadata(text))['metadata']['a'], value)

    def test_an_integer_field_is_exact_or_refused(self):
        agent = me.made('agents', {'name': 'a'})
        for digits in (b'1.0', b'1.5', b'1e0', b'"1"', b'9223372036854775808', b'1e30', b'true'):
            body = b'{"agent_id":"' + agent['id'].encode() + b'","priority":' + digits + b'}'
            with self.subTest(digits), Conn(server.port) as conn:
                conn.send(request('POST', '/api/v1/tasks', me.headers({'Content-Type': 'application/json'}), body))
                self.assert_problem(conn.final('POST'), (400, 422))


class MediaTypes(Case):
    def post(self, value, body=b'{"name":"n"}', method='POST', path='startups'):
        headers = {} if value is None else {'Content-Type': value}
        return me.call(method, path, body, headers)

    def test_json_is_taken(self):
        for value in ('application/json', 'APPLICATION/JSON', 'application/json; charset=utf-8',
                      'application/json;charset=UTF-8', 'application/json ; charset="utf-8"'):
            with self.subTest(value):
                self.assert_status(self.post(value), 201)

    def test_others_are_not(self):
        for value in (None, '', 'text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x',
                      'text/json', 'application/jsonp', 'application/json5', 'application/jso', 'application/xml',
                      'application/json, text/plain', 'xapplication/json', 'application/merge-patch+json', '*/*'):
            with self.subTest(value):
                self.assert_problem(self.post(value), 415, 'unsupported_media_type')

    def test_other_charsets_are_not(self):
        for value in ('application/json; charset=latin1', 'application/json; charset=utf-16'):
            with self.subTest(value):
                self.assert_problem(self.post(value), (400, 415))

    def test_merge_patch_for_patch(self):
        row = me.made('startups', {'name': 'n'})
        for value in ('application/json', 'application/merge-patch+json'):
            self.assert_status(self.post(value, b'{"name":"m"}', 'PATCH', 'startups/' + row['id']), 200)

    def test_no_other_for_patch(self):
        row = me.made('startups', {'name': 'n'})
        for value in (None, 'text/plain', 'application/json-patch+json'):
            with self.subTest(value):
                self.assert_problem(self.post(value, b'{"name":"m"}', 'PATCH', 'startups/' + row['id']), 415)


class Sizes(Case):
    def test_one_byte_more_than_a_mebibyte(self):
        body = b'{"name":"' + b'n' * ((1 << 20) - 10) + b'"}'
        self.assertEqual(len(body), (1 << 20) + 1)
        with Conn(server.port) as conn:
            conn.try_send(request('POST', '/api/v1/startups', me.headers({'Content-Type': 'application/json'}), body))
            self.assert_problem(conn.final('POST'), 413, 'too_large')

    def test_a_mebibyte_of_keys_is_refused_quickly(self):
        body = b'{' + b','.join(b'"k%d":1' % i for i in range(80000)) + b'}'
        begun = time.monotonic()
        reply = me.post('startups', body, {'Content-Type': 'application/json'})
        self.assert_problem(reply, 400)
        self.assertLess(time.monotonic() - begun, 5)
        self.assertLess(len(reply.body), 20000)

    def test_a_mebibyte_of_keys_in_metadata_is_refused_quickly(self):
        body = b'{"name":"n","metadata":{' + b','.join(b'"k%d":1' % i for i in range(80000)) + b'}}'
        begun = time.monotonic()
        self.assert_problem(me.post('startups', body, {'Content-Type': 'application/json'}), (400, 422))
        self.assertLess(time.monotonic() - begun, 5)

    def test_colliding_looking_keys_cost_no_square(self):
        body = b'{"name":"n","metadata":{' + b','.join(b'"%s":1' % (b'a' * (i % 50) + str(i).encode())
                                                       for i in range(1200)) + b'}}'
        begun = time.monotonic()
        self.assert_status(me.post('startups', body, {'Content-Type': 'application/json'}), 201, 422, 400)
        self.assertLess(time.monotonic() - begun, 3)


class Everywhere(Case):
    """Every path that takes a body is as strict."""

    def test_no_path_takes_unreadable_bodies(self):
        row = me.made('startups', {'name': 'n'})
        agent = me.made('agents', {'name': 'a'})
        for method, path in (('POST', 'startups'), ('PATCH', 'startups/' + row['id']), ('POST', 'agents'),
                             ('PATCH', 'agents/' + agent['id']), ('POST', 'tasks'), ('POST', 'tasks/claim'),
                             ('POST', 'api-keys'), ('POST', 'auth/login'), ('POST', 'auth/register'),
                             ('POST', 'auth/refresh')):
            for body in (b'{', b'\xef\xbb\xbf{}', b'{"a":1,"a":2}', b'{"unheard_of":1}', b'{"a":"\xff"}', b''):
                if body == b'' and path == 'tasks/claim':
                    continue        # nothing of it is required
                with self.subTest(f'{method} {path} {body}'):
                    reply = me.call(method, path, body, {'Content-Type': 'application/json'})
                    self.assert_problem(reply, 400)

    def test_replies_are_strict_json(self):
        text = 'quote " backslash \\ line \u2028 end'
        me.made('startups', {'name': text, 'metadata': {text + '\t\n\x01': text + '\t\n\x7f'}})
        for path in ('startups', '/openapi.json', '/health', 'auth/me'):
            strict_json(me.get(path).body)


if __name__ == '__main__':
    unittest.main()
