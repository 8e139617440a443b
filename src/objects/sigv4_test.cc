// The examples of AWS's "Signature Calculations for the Authorization Header" and of "Using Query Parameters" (S3 API reference).
#include "objects/sigv4.h"

#include <gtest/gtest.h>

#include "api/api.h"
#include "base/crypto.h"
#include "objects/checksum.h"
#include "objects/session_credentials.h"

namespace tarn::objects {
namespace {

constexpr std::string_view kSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const std::string kEmpty = crypto::to_hex(crypto::sha256(""));

std::string signature(sigv4::RequestParts r, std::string_view payload) {
  auto error = sigv4::PresentedError::none_sent;
  std::string why;
  const auto by = sigv4::presented(r, error, why);
  EXPECT_TRUE(by) << why;
  return sigv4::sign(sigv4::signing_key(kSecret, by->scope), sigv4::string_to_sign(*by, sigv4::canonical_request(r, *by, payload)));
}

std::string authorization(std::string_view signed_headers) {
  return fmt::format("AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders={},Signature={}",
                     signed_headers, std::string(64, '0'));
}

TEST(SigV4, MatchesTheGetObjectExample) {
  const std::map<std::string, std::string> h{{"host", "examplebucket.s3.amazonaws.com"},
                                             {"range", "bytes=0-9"},
                                             {"x-amz-content-sha256", kEmpty},
                                             {"x-amz-date", "20130524T000000Z"},
                                             {"authorization", authorization("host;range;x-amz-content-sha256;x-amz-date")}};
  EXPECT_EQ(signature({"GET", "/test.txt", "", &h}, kEmpty), "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

TEST(SigV4, MatchesThePutObjectExample) {
  const std::string hash = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
  const std::map<std::string, std::string> h{{"host", "examplebucket.s3.amazonaws.com"},
                                             {"date", "Fri, 24 May 2013 00:00:00 GMT"},
                                             {"x-amz-content-sha256", hash},
                                             {"x-amz-date", "20130524T000000Z"},
                                             {"x-amz-storage-class", "REDUCED_REDUNDANCY"},
                                             {"authorization", authorization("date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class")}};
  EXPECT_EQ(signature({"PUT", "/test%24file.text", "", &h}, hash), "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

TEST(SigV4, MatchesTheListExamplesWithQueries) {
  const std::map<std::string, std::string> h{{"host", "examplebucket.s3.amazonaws.com"},
                                             {"x-amz-content-sha256", kEmpty},
                                             {"x-amz-date", "20130524T000000Z"},
                                             {"authorization", authorization("host;x-amz-content-sha256;x-amz-date")}};
  EXPECT_EQ(signature({"GET", "/", "lifecycle", &h}, kEmpty), "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
  EXPECT_EQ(signature({"GET", "/", "max-keys=2&prefix=J", &h}, kEmpty), "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

TEST(SigV4, MatchesThePresignedExample) {
  const std::map<std::string, std::string> h{{"host", "examplebucket.s3.amazonaws.com"}};
  const std::string query =
      "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
      "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
      "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
  EXPECT_EQ(signature({"GET", "/test.txt", query, &h}, sigv4::kUnsigned), "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
}

TEST(SigV4, MatchesTheChunkExample) {
  const sigv4::Presented by{.scope = {"20130524", "us-east-1", "s3"}, .timestamp = "20130524T000000Z"};
  const auto key = sigv4::signing_key(kSecret, by.scope);
  const std::string seed = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
  const auto first = sigv4::sign(key, sigv4::chunk_to_sign(by, seed, crypto::to_hex(crypto::sha256(std::string(65536, 'a')))));
  EXPECT_EQ(first, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648");
  const auto second = sigv4::sign(key, sigv4::chunk_to_sign(by, first, crypto::to_hex(crypto::sha256(std::string(1024, 'a')))));
  EXPECT_EQ(second, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497");
  EXPECT_EQ(sigv4::sign(key, sigv4::chunk_to_sign(by, second, kEmpty)), "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9");
}

TEST(SigV4, RefusesMalformedCredentials) {
  auto refused = [](std::map<std::string, std::string> h, std::string query = "") {
    auto error = sigv4::PresentedError::none_sent;
    std::string why;
    EXPECT_FALSE(sigv4::presented({"GET", "/", query, &h}, error, why));
    return error;
  };
  using E = sigv4::PresentedError;
  EXPECT_EQ(refused({}), E::none_sent);
  EXPECT_EQ(refused({{"authorization", "AWS AKID:sig"}}), E::unsupported_algorithm);
  EXPECT_EQ(refused({{"authorization", "AWS4-HMAC-SHA256"}}), E::malformed);
  EXPECT_EQ(refused({{"authorization", authorization("host")}}), E::malformed);                                      // no date
  EXPECT_EQ(refused({{"authorization", authorization("host")}, {"x-amz-date", "20130525T000000Z"}}), E::malformed);  // another day
  EXPECT_EQ(refused({{"authorization", authorization("x-amz-date")}, {"x-amz-date", "20130524T000000Z"}}), E::malformed);
  EXPECT_EQ(refused({}, "AWSAccessKeyId=x&Signature=y"), E::unsupported_algorithm);
}

TEST(Checksums, MatchKnownValues) {
  const std::string_view text = "123456789";
  EXPECT_EQ(crypto::to_hex(digest_of(Algorithm::crc32, text)), "cbf43926");
  EXPECT_EQ(crypto::to_hex(digest_of(Algorithm::crc32c, text)), "e3069283");
  EXPECT_EQ(crypto::to_hex(digest_of(Algorithm::crc64nvme, text)), "ae8b14860a799888");
  EXPECT_EQ(crypto::to_hex(digest_of(Algorithm::sha1, text)), "f7c3bc1d808e04732adf679965ccc34ca7ae3441");
  EXPECT_EQ(crypto::to_hex(digest_of(Algorithm::md5, text)), "25f9e794323b453885f5181f1b624d0b");
  std::string longer;
  for (int i = 0; i < 1000; ++i) longer += static_cast<char>(i * 7);
  for (auto a : {Algorithm::crc32, Algorithm::crc32c, Algorithm::crc64nvme, Algorithm::sha256}) {
    Digest pieces(a);
    for (std::size_t at = 0, n = 1; at < longer.size(); at += n, n = n % 13 + 1) pieces.update(std::string_view(longer).substr(at, n));
    EXPECT_EQ(pieces.finish(), digest_of(a, longer));
  }
}

TEST(SessionCredentials, TheTokenIsTheGrantForEveryServerWithTheKey) {
  const crypto::Keyring keys(std::string(32, 'k')), same(std::string(32, 'k')), other(std::string(32, 'o'));
  FakeClock clock;
  SessionCredentials vendor(keys, clock, "us-east-1"), second(same, clock, "us-east-1"), stranger(other, clock, "us-east-1");
  const auto c = *vendor.vend({{"s3://root/t/"}, Access::read, "ann"}, 3'600'000);
  EXPECT_EQ(c.expires_at, clock.now() + 3'600'000);
  const auto s = second.open(c.session_token);
  ASSERT_TRUE(s);
  EXPECT_EQ(s->secret_access_key, c.secret_access_key);
  EXPECT_EQ(s->prefixes, std::vector<std::string>{"s3://root/t/"});
  EXPECT_EQ(s->access, Access::read);
  EXPECT_EQ(s->principal, "ann");
  EXPECT_FALSE(stranger.open(c.session_token));
  auto changed = c.session_token;
  changed[changed.size() / 2] = changed[changed.size() / 2] == 'A' ? 'B' : 'A';
  EXPECT_FALSE(second.open(changed));
  EXPECT_FALSE(second.open(""));
  EXPECT_EQ(c.session_token.find(c.secret_access_key), std::string::npos);
  EXPECT_THROW((void)vendor.vend({{"s3://root/../x"}, Access::read, "ann"}, 1), std::invalid_argument);
  EXPECT_EQ(vendor.vend({{"s3://root/"}, Access::read, "ann"}, 1'000'000'000'000)->expires_at, clock.now() + 12 * 3'600'000);
}

}  // namespace
}  // namespace tarn::objects
