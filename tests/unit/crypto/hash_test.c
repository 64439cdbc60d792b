#include "crypto/hash.h"

#include "../base/unit.h"

static void assert_hex(const uint8_t *bytes, const char *hex)
{
    static const char digits[] = "0123456789abcdef";
    char text[2 * SHA256_SIZE + 1] = "";
    for (int i = 0; i < SHA256_SIZE; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    assert_string_equal(text, hex);
}

static struct str repeated(char c, size_t n)
{
    static char bytes[1000];
    memset(bytes, c, sizeof(bytes));
    return (struct str){ bytes, n };
}

/* FIPS 180-4 examples. */
static void sha256_vectors(void **state)
{
    (void)state;
    uint8_t out[SHA256_SIZE];
    sha256(STR("abc"), out);
    assert_hex(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha256(STR_NONE, out);
    assert_hex(out, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha256(STR("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"), out);
    assert_hex(out, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void hmac_is(struct str key, struct str data, const char *hex)
{
    uint8_t out[SHA256_SIZE];
    hmac_sha256(key, data, out);
    assert_hex(out, hex);
}

/* RFC 4231, test cases 1 to 4, 6 and 7. */
static void hmac_vectors(void **state)
{
    (void)state;
    char key[26];
    for (int i = 0; i < 25; i++)
        key[i] = (char)(i + 1);

    hmac_is(repeated(0x0b, 20), STR("Hi There"),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    hmac_is(STR("Jefe"), STR("what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");

    char data[50];
    memset(data, 0xdd, sizeof(data));
    hmac_is(repeated((char)0xaa, 20), (struct str){ data, 50 },
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
    memset(data, 0xcd, sizeof(data));
    hmac_is((struct str){ key, 25 }, (struct str){ data, 50 },
            "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b");
    hmac_is(repeated((char)0xaa, 131),
            STR("Test Using Larger Than Block-Size Key - Hash Key First"),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    hmac_is(
        repeated((char)0xaa, 131),
        STR("This is a test using a larger than block-size key and a larger than block-size data. The key needs to "
            "be hashed before being used by the HMAC algorithm."),
        "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
}

static void a_key_of_one_block_is_used_as_it_is(void **state)
{
    (void)state;
    uint8_t direct[SHA256_SIZE], padded[SHA256_SIZE], hashed[SHA256_SIZE], longer[SHA256_SIZE];
    char key[64] = "short";
    hmac_sha256(STR("short"), STR("x"), direct);
    hmac_sha256((struct str){ key, 64 }, STR("x"), padded);
    assert_memory_equal(direct, padded, SHA256_SIZE);

    sha256(repeated('k', 65), hashed);
    hmac_sha256(repeated('k', 65), STR("x"), longer);
    hmac_sha256((struct str){ (char *)hashed, SHA256_SIZE }, STR("x"), direct);
    assert_memory_equal(direct, longer, SHA256_SIZE);
}

/* RFC 5869, test case 3 has neither salt nor info; its first 32 bytes. */
static void derived_keys_are_hkdf(void **state)
{
    (void)state;
    uint8_t out[SHA256_SIZE];
    derive_key(repeated(0x0b, 22), "", out);
    assert_hex(out, "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");

    /* openssl kdf -keylen 32 -kdfopt digest:SHA256 -kdfopt key:0123456789abcdef0123456789abcdef
     * -kdfopt info:signing-keys HKDF */
    derive_key(STR("0123456789abcdef0123456789abcdef"), "signing-keys", out);
    assert_hex(out, "06b5606853a4863a9b6738fe48f5ab8a3761a1a12f45e787894f53524fcbfc86");
}

static void each_purpose_has_its_key(void **state)
{
    (void)state;
    uint8_t a[SHA256_SIZE], b[SHA256_SIZE], c[SHA256_SIZE];
    derive_key(STR("secret"), "signing", a);
    derive_key(STR("secret"), "sealing", b);
    derive_key(STR("Secret"), "signing", c);
    assert_memory_not_equal(a, b, SHA256_SIZE);
    assert_memory_not_equal(a, c, SHA256_SIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_vectors),
        cmocka_unit_test(hmac_vectors),
        cmocka_unit_test(a_key_of_one_block_is_used_as_it_is),
        cmocka_unit_test(derived_keys_are_hkdf),
        cmocka_unit_test(each_purpose_has_its_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
