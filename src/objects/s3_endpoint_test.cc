// The endpoint in process, for what clients cannot easily be made to send: signed chunks, unsigned headers, virtual hosts, odd XML.
#include "objects/s3_endpoint.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/crypto.h"
#include "objects/checksum.h"
#include "objects/sigv4.h"
#include "store/store_for_tests.h"

namespace tarn::objects {
namespace {

namespace fs = std::filesystem;
using Headers = std::map<std::string, std::string>;

struct S3EndpointTest : testing::Test {
  S3EndpointTest() { EXPECT_TRUE(objects.create_bucket("root-bucket")); }
  ~S3EndpointTest() override { fs::remove_all(dir); }
  static std::string fresh() {
    std::string t = (fs::temp_directory_path() / "s3-XXXXXX").string();
    return ::mkdtemp(t.data());
  }

  /// A request signed in the header as a client would; `signed_headers` beyond those it always signs are all of `extra`.
  api::Request request(api::Method method, std::string path, std::string query = "", std::string body = "", Headers extra = {},
                       std::string payload = "") {
    api::Request r{.method = method, .host = "s3.tarn.localhost", .path = std::move(path), .raw_query = std::move(query), .body = std::move(body)};
    r.context.request_id = "req-1";
    r.headers = std::move(extra);
    r.headers["host"] = r.host;
    r.headers["x-amz-date"] = sigv4::to_timestamp(clock.now());
    r.headers["x-amz-security-token"] = session.session_token;
    r.headers["x-amz-content-sha256"] = payload.empty() ? crypto::to_hex(crypto::sha256(r.body)) : payload;
    sign(r);
    return r;
  }
  void sign(api::Request& r) {
    sigv4::Presented by{.scope = {r.headers["x-amz-date"].substr(0, 8), "us-east-1", "s3"}, .timestamp = r.headers["x-amz-date"]};
    std::string names;
    r.headers.erase("authorization");
    for (const auto& [name, value] : r.headers) {
      by.signed_headers.push_back(name);
      names += (names.empty() ? "" : ";") + name;
    }
    key = sigv4::signing_key(session.secret_access_key, by.scope);
    const auto canonical =
        sigv4::canonical_request({json::name_of(r.method), r.path, r.raw_query, &r.headers}, by, r.headers["x-amz-content-sha256"]);
    seed = sigv4::sign(key, sigv4::string_to_sign(by, canonical));
    r.headers["authorization"] =
        fmt::format("AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature={}", session.access_key_id, by.scope.text(), names, seed);
    signed_by = by;
  }
  static std::string code(const api::Reply& r) {
    const auto at = r.body.find("<Code>");
    return at == std::string::npos ? std::to_string(r.status) : r.body.substr(at + 6, r.body.find("</Code>") - at - 6);
  }
  std::string stored(const std::string& key_name) { return objects.get({"root-bucket", key_name}).value_or("(none)"); }

  std::string dir = fresh();
  FakeClock clock;
  std::unique_ptr<store::Store> store = store::store_for_tests(clock);
  crypto::Keyring keys{std::string(32, 'k')};
  LocalObjects objects{dir};
  SessionCredentials credentials{keys, clock, "us-east-1"};
  S3Endpoint endpoint{objects, credentials, *store, clock};
  Credentials session = *credentials.vend({{"s3://root-bucket/t"}, Access::read_write, "ann"}, 3'600'000);
  std::string key, seed;
  sigv4::Presented signed_by;
};
using M = api::Method;

TEST_F(S3EndpointTest, ServesPathAndVirtualHostStyleAlike) {
  EXPECT_EQ(endpoint.handle(request(M::PUT, "/root-bucket/t/a", "", "hello")).status, 200);
  auto r = request(M::GET, "/t/a");
  r.host = r.headers["host"] = "root-bucket.s3.tarn.localhost";
  sign(r);
  EXPECT_EQ(endpoint.handle(r).body, "hello");
  r.host = r.headers["host"] = "root-bucket.s3.us-east-1.amazonaws.com";
  sign(r);
  EXPECT_EQ(endpoint.handle(r).body, "hello");
}

TEST_F(S3EndpointTest, EveryAmzHeaderMustBeSigned) {
  auto r = request(M::PUT, "/root-bucket/t/a", "", "hello");
  r.headers["x-amz-copy-source"] = "/root-bucket/t/b";
  const auto reply = endpoint.handle(r);
  EXPECT_EQ(code(reply), "AccessDenied");
  EXPECT_NE(reply.body.find("x-amz-copy-source"), std::string::npos);
}

TEST_F(S3EndpointTest, WhatWasSignedIsWhatIsServed) {
  EXPECT_EQ(endpoint.handle(request(M::PUT, "/root-bucket/t/a", "", "hello")).status, 200);
  const auto good = request(M::GET, "/root-bucket/t/a");
  EXPECT_EQ(endpoint.handle(good).status, 200);
  auto other = good;
  other.path = "/root-bucket/t/b";
  EXPECT_EQ(code(endpoint.handle(other)), "SignatureDoesNotMatch");
  other = good;
  other.raw_query = "uploads";
  EXPECT_EQ(code(endpoint.handle(other)), "SignatureDoesNotMatch");
  other = good;
  other.method = M::DELETE;
  EXPECT_EQ(code(endpoint.handle(other)), "SignatureDoesNotMatch");
  auto put = request(M::PUT, "/root-bucket/t/a", "", "hello");
  put.body = "other";
  EXPECT_EQ(code(endpoint.handle(put)), "XAmzContentSHA256Mismatch");
  EXPECT_EQ(stored("t/a"), "hello");
  auto region = request(M::GET, "/root-bucket/t/a");
  region.headers["authorization"].replace(region.headers["authorization"].find("us-east-1"), 9, "eu-west-1");
  EXPECT_EQ(code(endpoint.handle(region)), "AuthorizationHeaderMalformed");
}

TEST_F(S3EndpointTest, ReadsSignedChunksOnlyWhileTheirSignaturesHold) {
  const std::string a(65536, 'a'), b(1024, 'b');
  auto r = request(M::PUT, "/root-bucket/t/chunked", "", "", {{"content-encoding", "aws-chunked"}, {"x-amz-decoded-content-length", "66560"}},
                   std::string(sigv4::kStreaming));
  std::string previous = seed, body;
  for (const auto& piece : {a, b, std::string()}) {
    previous = sigv4::sign(key, sigv4::chunk_to_sign(signed_by, previous, crypto::to_hex(crypto::sha256(piece))));
    body += fmt::format("{:x};chunk-signature={}\r\n{}\r\n", piece.size(), previous, piece);
  }
  r.body = body;
  EXPECT_EQ(endpoint.handle(r).status, 200);
  EXPECT_EQ(stored("t/chunked"), a + b);
  EXPECT_EQ(objects.find({"root-bucket", "t/chunked"})->meta.headers.count("content-encoding"), 0u);

  auto changed = r;
  changed.body[200] = 'x';
  EXPECT_EQ(code(endpoint.handle(changed)), "SignatureDoesNotMatch");
  auto cut = r;
  cut.body.resize(40'000);
  EXPECT_EQ(code(endpoint.handle(cut)), "IncompleteBody");
  auto without_end = r;
  without_end.body.resize(body.rfind("0;chunk"));
  EXPECT_EQ(code(endpoint.handle(without_end)), "IncompleteBody");
  for (const char* odd : {"", "zz\r\n", "ffffffffffffffffff\r\n", "-1\r\n\r\n", "5\r\nhel"}) {
    auto broken = r;
    broken.body = odd;
    EXPECT_EQ(code(endpoint.handle(broken)), "IncompleteBody") << odd;
  }
  EXPECT_EQ(stored("t/chunked"), a + b);
}

TEST_F(S3EndpointTest, ChecksTrailersSignedAndUnsigned) {
  for (const auto mode : {sigv4::kStreamingTrailer, sigv4::kStreamingUnsigned}) {
    for (const auto algorithm : {Algorithm::crc32, Algorithm::crc32c, Algorithm::crc64nvme, Algorithm::sha1, Algorithm::sha256}) {
      const bool is_signed = mode == sigv4::kStreamingTrailer;
      const std::string name = "x-amz-checksum-" + std::string(json::name_of(algorithm)), sum = crypto::base64(digest_of(algorithm, "hello world"));
      for (const bool right : {true, false}) {
        auto r =
            request(M::PUT, "/root-bucket/t/trailed", "", "", {{"x-amz-decoded-content-length", "11"}, {"x-amz-trailer", name}}, std::string(mode));
        const std::string value = right ? sum : crypto::base64(digest_of(algorithm, "other"));
        std::string previous = seed;
        for (const std::string piece : {"hello world", ""}) {
          previous = sigv4::sign(key, sigv4::chunk_to_sign(signed_by, previous, crypto::to_hex(crypto::sha256(piece))));
          r.body +=
              fmt::format("{:x}", piece.size()) + (is_signed ? ";chunk-signature=" + previous : "") + "\r\n" + piece + (piece.empty() ? "" : "\r\n");
        }
        r.body += name + ':' + value + "\r\n";
        const auto trailer = sigv4::sign(key, sigv4::trailer_to_sign(signed_by, previous, crypto::to_hex(crypto::sha256(name + ':' + value + '\n'))));
        auto forged = r;
        if (is_signed) r.body += "x-amz-trailer-signature:" + trailer + "\r\n";
        r.body += "\r\n";
        EXPECT_EQ(code(endpoint.handle(r)), right ? "200" : "BadDigest") << name << mode;
        if (is_signed) {
          forged.body += "x-amz-trailer-signature:" + std::string(64, '0') + "\r\n\r\n";
          EXPECT_EQ(code(endpoint.handle(forged)), "SignatureDoesNotMatch");
        }
      }
      auto missing = request(M::PUT, "/root-bucket/t/none", "", "5\r\nhello\r\n0\r\n\r\n",
                             {{"x-amz-decoded-content-length", "5"}, {"x-amz-trailer", name}}, std::string(sigv4::kStreamingUnsigned));
      EXPECT_EQ(code(endpoint.handle(missing)), "MalformedTrailerError");
    }
  }
  EXPECT_EQ(stored("t/trailed"), "hello world");
  EXPECT_EQ(stored("t/none"), "(none)");
}

TEST_F(S3EndpointTest, TakesTheSpoolFileOfALargeUpload) {
  const std::string content(3 << 20, 'z'), spool = dir + "/spool";
  auto upload = [&](const std::string& to, const std::string& payload) {
    std::ofstream(spool, std::ios::binary) << content;
    auto r = request(M::PUT, to, "", "", {}, payload);
    r.body_file = spool;
    return endpoint.handle(r);
  };
  EXPECT_EQ(upload("/root-bucket/t/big", crypto::to_hex(crypto::sha256(content))).status, 200);
  EXPECT_EQ(stored("t/big"), content);
  EXPECT_EQ(code(upload("/root-bucket/t/big2", crypto::to_hex(crypto::sha256("else")))), "XAmzContentSHA256Mismatch");
  EXPECT_EQ(stored("t/big2"), "(none)");
  auto get = endpoint.handle(request(M::GET, "/root-bucket/t/big"));
  ASSERT_TRUE(get.file);
  EXPECT_EQ(get.file->length, content.size());
  auto ranged = request(M::GET, "/root-bucket/t/big", "", "", {{"range", "bytes=10-2000009"}});
  get = endpoint.handle(ranged);
  EXPECT_EQ(get.status, 206);
  EXPECT_EQ(get.file->offset, 10u);
  EXPECT_EQ(get.file->length, 2'000'000u);
}

TEST_F(S3EndpointTest, RefusesXmlThatIsNoRequest) {
  ASSERT_TRUE(objects.put({"root-bucket", "t/a"}, "x"));
  for (const char* xml : {"", "{}", "<Delete>", "<Other/>", "<Delete/>",
                          "<!DOCTYPE Delete [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><Delete><Object><Key>&e;</Key></Object></Delete>"})
    EXPECT_EQ(code(endpoint.handle(request(M::POST, "/root-bucket", "delete", xml))), "MalformedXML") << xml;
  EXPECT_EQ(code(endpoint.handle(request(M::POST, "/root-bucket", "delete", std::string(3 << 20, ' ')))), "EntityTooLarge");
  EXPECT_EQ(endpoint.handle(request(M::POST, "/root-bucket", "delete", "<Delete><Object><Key>t/a</Key></Object></Delete>")).status, 200);
  EXPECT_EQ(stored("t/a"), "(none)");
}

TEST_F(S3EndpointTest, PathTricksLeadNowhere) {
  for (const char* path : {"/root-bucket/t/../u", "/root-bucket/t/%2e%2e/u", "/root-bucket/t/%2E%2E%2Fu", "/root-bucket/t//u", "/root-bucket/t/%00",
                           "/root-bucket/t/%", "/.tarn/t/x", "/..%2Ft/x", "//t"}) {
    const auto reply = endpoint.handle(request(M::PUT, path, "", "x"));
    EXPECT_GE(reply.status, 400) << path;
    EXPECT_LT(reply.status, 406) << path;
  }
  EXPECT_EQ(code(endpoint.handle(request(M::GET, "/root-bucket", "list-type=2&prefix=t/../"))), "InvalidArgument");
}

TEST_F(S3EndpointTest, AuditsWhatItRefusesAndWhatItWrites) {
  endpoint.handle(request(M::PUT, "/root-bucket/t/a", "", "hello"));
  EXPECT_EQ(store->audit_log({.action = "putObject"}, 10).size(), 1u);  // before the reply
  endpoint.handle(request(M::PUT, "/root-bucket/u/a", "", "hello"));
  auto forged = request(M::GET, "/root-bucket/t/a");
  forged.path = "/root-bucket/t/b";
  endpoint.handle(forged);
  store->flush_audit();
  const auto log = store->audit_log({.service = "storage"}, 10);
  ASSERT_EQ(log.size(), 3u);
  EXPECT_EQ(log[1].event.outcome, store::Outcome::denied);
  EXPECT_EQ(log[1].event.principal, "ann");
  EXPECT_EQ(log[1].event.params.at("key"), "u/a");
  EXPECT_EQ(log[2].event.status, 403);
  for (const auto& e : log) EXPECT_EQ(json::encode_text(e.event).find(session.session_token), std::string::npos);
}

TEST_F(S3EndpointTest, RefusesFromTheHeadBeforeTheBodyComes) {
  auto granted = request(M::PUT, "/root-bucket/t/a", "", "hello");
  EXPECT_FALSE(endpoint.admit(granted));
  auto foreign = request(M::PUT, "/root-bucket/u/a", "", "hello");
  EXPECT_EQ(endpoint.admit(foreign)->status, 403);
  granted.headers.erase("authorization");
  EXPECT_EQ(endpoint.admit(granted)->status, 403);
}

TEST_F(S3EndpointTest, TheTokenServiceKnowsItsOwnSessionsOnly) {
  auto r = request(M::POST, "/", "", "Action=AssumeRole");
  r.host = "sts.us-east-1.amazonaws.com";
  r.headers.erase("authorization");
  EXPECT_EQ(endpoint.handle(r).status, 403);
  EXPECT_EQ(code(endpoint.handle(r)), "AccessDenied");
}

}  // namespace
}  // namespace tarn::objects
