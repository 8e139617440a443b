// Masks, comments, plans as text, and the configuration: what is pure.
#include <gtest/gtest.h>

#include "review/config.h"
#include "review/credential_proxy.h"
#include "review/plan_text.h"
#include "review/render.h"
#include "review/s3_signer.h"

namespace tarn::review {
namespace {

bool has(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }

TEST(Masks, KnownSecretsGoInEverySpelling) {
  Mask m;
  m.learn("p4ss word+of/ada");
  EXPECT_EQ(m.text("x p4ss word+of/ada y"), "x (masked) y");
  EXPECT_FALSE(has(m.text("cDRzcyB3b3JkK29mL2FkYQ=="), "cDRzcy"));
  EXPECT_FALSE(has(m.text("?t=p4ss%20word%2Bof%2Fada"), "p4ss"));
}

TEST(Masks, ShortValuesAreNoSecrets) {
  Mask m;
  m.learn("on");
  EXPECT_EQ(m.text("on and on"), "on and on");
}

TEST(Masks, ShapesOfTokensGo) {
  const Mask m;
  for (const std::string token : {"dapi0123456789abcdef0123456789abcdef", "dose0123456789abcdef0123456789abcdef", "AKIAIOSFODNN7EXAMPLE",
                                  "glpat-aaaaaaaaaaaaaaaaaaaa", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlLW9mLWl0"}) {
    EXPECT_FALSE(has(m.text("a " + token + " b"), token)) << token;
    EXPECT_TRUE(m.text("a " + token + " b").starts_with("a (masked)")) << m.text("a " + token + " b");
  }
  EXPECT_EQ(m.text("a dapi-like word and eyJust"), "a dapi-like word and eyJust");
}

TEST(Masks, ValuesOfWhatIsNamedSecretGo) {
  const Mask m;
  EXPECT_EQ(m.text("  + client_secret = \"abc\"\n  + name = \"x\"\n"), "  + client_secret = (masked)\n  + name = \"x\"\n");
  EXPECT_EQ(m.text("password: hunter2"), "password: (masked)");
  EXPECT_EQ(m.text("  + token_value = (sensitive value)"), "  + token_value = (sensitive value)");
  EXPECT_EQ(m.text("secret_scope: apps"), "secret_scope: apps");
}

TEST(Masks, PrivateKeysGoWhole) {
  const Mask m;
  const auto t = m.text("a\n-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\nline2\n-----END EC PRIVATE KEY-----\nb");
  EXPECT_FALSE(has(t, "MHcC"));
  EXPECT_FALSE(has(t, "line2"));
  EXPECT_TRUE(t.ends_with("\nb")) << t;
}

TEST(Masks, DocumentsByMemberName) {
  const Mask m;
  const auto v = m.document(json::parse(R"({"token_value":"abc","nested":[{"password":"p","name":"n"}]})").value());
  EXPECT_EQ(boost::json::serialize(v), R"j({"token_value":"(masked)","nested":[{"password":"(masked)","name":"n"}]})j");
}

TEST(Comments, CodeCannotLeaveItsBlock) {
  const auto block = code_block("x\n````\n</details> @ada\n", "diff");
  EXPECT_TRUE(block.starts_with("`````diff\n"));
  EXPECT_TRUE(block.ends_with("`````\n"));
  EXPECT_FALSE(has(code_block("a\x1b[31m\x01z", ""), "\x1b"));
}

TEST(Comments, PlainTextIsNoMarkupAndMentionsNobody) {
  EXPECT_FALSE(has(plain("<img src=x> @ada"), "<img"));
  EXPECT_FALSE(has(plain("@ada"), "@ada"));
  EXPECT_FALSE(has(plain("a\n### b"), "\n"));
  EXPECT_EQ(plain("[x](y)"), "\\[x\\]\\(y\\)");
}

RequestRecord request(std::vector<UnitRecord> units) {
  return {.repository = "a/b", .number = 1, .head = std::string(40, 'a'), .base = std::string(40, 'b'), .tree = "t", .units = std::move(units)};
}

TEST(Comments, NameEachUnitAndHideItsPlan) {
  const auto c = comment_of(
      request({{.name = "platform", .status = UnitStatus::planned, .summary = "1 to create, 0 to change, 0 to delete", .text = "+ catalog.gold\n"}}));
  EXPECT_TRUE(c.starts_with("<!-- tarn review -->\n"));
  EXPECT_TRUE(has(c, "| `platform` | planned | 1 to create"));
  EXPECT_TRUE(has(c, "<details><summary>"));
  EXPECT_TRUE(has(c, "```diff\n+ catalog.gold\n```"));
  EXPECT_TRUE(has(c, "comment `apply` or merge"));
}

TEST(Comments, AreCutFairlyAndSaySo) {
  const std::string line = "+ a line of a plan that is long\n";
  std::string much;
  while (much.size() < 200'000) much += line;
  const auto c = comment_of(request({{.name = "big", .status = UnitStatus::planned, .text = much},
                                     {.name = "small", .status = UnitStatus::planned, .text = "+ the only change\n"}}),
                            20'000);
  EXPECT_LE(c.size(), 20'000u);
  EXPECT_GT(c.size(), 15'000u);
  EXPECT_TRUE(has(c, "+ the only change"));
  EXPECT_TRUE(has(c, "(cut: `tarn review show` has all of it)"));
  EXPECT_TRUE(has(c, "comment `apply` or merge"));
}

TEST(PlanTexts, OfTarnAreDiffsWithMaskedValues) {
  platform::Plan p;
  p.changes.push_back({.action = platform::Action::create,
                       .kind = platform::Kind::catalog,
                       .name = "gold",
                       .after = json::object{{"comment", "c"}, {"api_token", "abc"}},
                       .place = "catalog.yaml:3"});
  p.changes.push_back({.action = platform::Action::update,
                       .kind = platform::Kind::grants,
                       .name = "catalog gold",
                       .before = json::object{{"x", "SELECT"}},
                       .after = json::object{{"x", "MODIFY"}},
                       .fields = {"x"}});
  p.changes.push_back({.action = platform::Action::delete_, .kind = platform::Kind::group, .name = "old"});
  const auto text = text_of(p, Mask());
  EXPECT_TRUE(has(text, "+ catalog.gold  (catalog.yaml:3)\n+     comment: c\n"));
  EXPECT_FALSE(has(text, "abc"));
  EXPECT_TRUE(has(text, "! grants.catalog gold\n!     x: SELECT -> MODIFY\n"));
  EXPECT_TRUE(has(text, "- group.old\n"));
  EXPECT_EQ(summary_of(p), "1 to create, 1 to change, 1 to delete");
  auto moved = p;
  moved.changes[0].place = "catalog.yaml:9";
  EXPECT_EQ(digest_of(p), digest_of(moved));
  moved.changes[0].after = json::object{{"comment", "d"}};
  EXPECT_NE(digest_of(p), digest_of(moved));
}

TEST(PlanTexts, OfTerraformAreEqualIfTheyDoTheSame) {
  const auto plan = [](const std::string& changes) {
    return read_terraform_plan(R"({"format_version":"1.2","timestamp":"x","resource_changes":[)" + changes + "]}");
  };
  const auto create = plan(R"({"address":"a.b","change":{"actions":["create"],"after":{"x":1,"y":2}}})");
  const auto reordered =
      plan(R"({"change":{"after":{"y":2,"x":1},"actions":["create"]},"address":"a.b"},{"address":"c","change":{"actions":["no-op"]}})");
  const auto another = plan(R"({"address":"a.b","change":{"actions":["create"],"after":{"x":1,"y":3}}})");
  ASSERT_TRUE(create && reordered && another);
  EXPECT_TRUE(create->changes);
  EXPECT_EQ(create->digest, reordered->digest);
  EXPECT_NE(create->digest, another->digest);
  EXPECT_EQ(create->summary, "1 to create, 0 to change, 0 to delete");
  EXPECT_FALSE(plan(R"({"address":"c","change":{"actions":["no-op"]}})")->changes);
  EXPECT_FALSE(read_terraform_plan("Initializing..."));
  EXPECT_FALSE(read_terraform_plan("{}"));
}

TEST(PlanTexts, OfTerraformAreColoured) {
  EXPECT_EQ(as_diff("  # a.b will be created\n  + resource \"a\" \"b\" {\n      ~ x = 1\n    - y\n"),
            "   # a.b will be created\n+  + resource \"a\" \"b\" {\n!      ~ x = 1\n-    - y\n");
}

TEST(Withheld, ReadsThatHandOutSecretsOrData) {
  for (const char* path : {"/api/2.0/secrets/get", "/api/2.0//secrets/get", "/api/2.0/%73ecrets/get", "/api/2.0/Secrets/GET",
                           "/api/2.0/fs/files/Volumes/x", "/api/2.0/dbfs/read", "/api/2.0/sql/statements/abc/result/chunks/0",
                           "/api/2.0/workspace/export", "/oidc/v1/authorize", "/api/2.0/x/../secrets/get"})
    EXPECT_TRUE(refusal_of_read(path)) << path;
  for (const char* path : {"/api/2.0/secrets/list", "/api/2.1/unity-catalog/catalogs", "/api/2.0/accounts/x/workspaces",
                           "/oidc/.well-known/oauth-authorization-server", "/api/2.0/preview/scim/v2/Me"})
    EXPECT_FALSE(refusal_of_read(path)) << path;
}

// The example of AWS' own documentation ("Example: GET Object", Signature Version 4).
TEST(Signatures, AreAwsOwn) {
  const std::map<std::string, std::string> headers{{"host", "examplebucket.s3.amazonaws.com"},
                                                   {"range", "bytes=0-9"},
                                                   {"x-amz-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
                                                   {"x-amz-date", "20130524T000000Z"}};
  const auto text = authorization_of("GET", "/test.txt", "", headers, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "us-east-1",
                                     {"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ""}, "20130524T000000Z");
  EXPECT_TRUE(
      text.starts_with("AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
                       "SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature="))
      << text;
}

TEST(Signatures, AreGivenForTheStatesBucketOnly) {
  EXPECT_TRUE(is_about_bucket("acme-state.s3.eu-central-1.amazonaws.com", "/x", "acme-state"));
  EXPECT_TRUE(is_about_bucket("s3.eu-central-1.amazonaws.com", "/acme-state/x", "acme-state"));
  EXPECT_FALSE(is_about_bucket("s3.eu-central-1.amazonaws.com", "/acme-state2/x", "acme-state"));
  EXPECT_FALSE(is_about_bucket("acme-state.evil.s3.eu-central-1.amazonaws.com", "/x", "acme-state"));
  EXPECT_FALSE(is_about_bucket("other.s3.amazonaws.com", "/acme-state/x", "acme-state"));
  EXPECT_FALSE(is_about_bucket("s3.amazonaws.com", "/", "acme-state"));
}

constexpr const char* kConfig = R"(
state: /var/lib/tarn-review
target: {host: "https://accounts.cloud.databricks.com", account_id: a, client_id: c, client_secret_file: /run/secret}
workflows:
  - {name: terragrunt, plan: [p], show: [s], show_json: [j], apply: [a]}
repositories:
  - forge: gitlab
    url: https://gitlab.acme.example
    repository: acme/data/platform
    token_file: /run/token
    webhook_secret_file: /run/hook
    drift: {every_minutes: 60}
    units:
      - {name: platform, path: platform}
      - {name: ws-landing/compute, path: infra/live/ws-landing/compute, workflow: terragrunt, watch: ["infra/modules/**", "platform/*.yaml"]}
)";

TEST(Configurations, AreRead) {
  const auto c = parse_config(kConfig, "review.yaml");
  ASSERT_TRUE(c) << c.error();
  const auto* r = c->repository("acme/data/platform");
  ASSERT_NE(r, nullptr);
  EXPECT_EQ(r->main(), "main");
  EXPECT_EQ(r->clone(), "https://gitlab.acme.example/acme/data/platform.git");
  EXPECT_TRUE(touches(r->units[0], "platform/grants.yaml"));
  EXPECT_FALSE(touches(r->units[0], "platform-old/grants.yaml"));
  EXPECT_TRUE(touches(r->units[1], "infra/modules/pools/main.tf"));
  EXPECT_TRUE(touches(r->units[1], "platform/a.yaml"));
  EXPECT_FALSE(touches(r->units[1], "platform/deep/a.yaml"));
}

TEST(Configurations, AreRefusedWithWhatIsWrong) {
  const auto with = [](std::string from, const std::string& to) {
    std::string text = kConfig;
    text.replace(text.find(from), from.size(), to);
    const auto c = parse_config(text, "review.yaml");
    return c ? "" : c.error();
  };
  EXPECT_TRUE(has(with("state:", "stat: 1\nstate:"), "'stat' is not a known field"));
  EXPECT_TRUE(has(with("path: platform}", "path: ../x}"), "must be a folder inside the repository"));
  EXPECT_TRUE(has(with("path: platform}", "path: /etc}"), "must be a folder inside the repository"));
  EXPECT_TRUE(has(with("workflow: terragrunt", "workflow: pulumi"), "no workflow 'pulumi'"));
  EXPECT_TRUE(has(with("acme/data/platform", "acme"), "OWNER/NAME"));
  EXPECT_TRUE(has(with("every_minutes: 60", "every_minutes: 0"), "1 to 10080"));
  EXPECT_TRUE(has(with("forge: gitlab", "forge: github"), "must be one of gitea, gitlab"));
  EXPECT_TRUE(has(with("account_id: a, ", ""), "target.account_id is required"));
  EXPECT_TRUE(has(with("state: /var", "state: [/var"), "review.yaml:"));
}

}  // namespace
}  // namespace tarn::review
