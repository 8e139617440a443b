#include "review/webhook.h"

#include <gtest/gtest.h>

#include "base/crypto.h"

namespace tarn::review {
namespace {

Headers gitea(const std::string& body, const std::string& event, const std::string& secret = "s3cret-of-the-hook") {
  return {{"x-gitea-event", event},
          {"x-gitea-event-type", event},
          {"x-gitea-delivery", "d-1"},
          {"x-gitea-signature", crypto::to_hex(crypto::hmac_sha256(secret, body))}};
}

TEST(Signature, GiteaSignsTheBody) {
  const std::string body = R"({"action":"opened"})";
  EXPECT_TRUE(is_authentic(ForgeKind::gitea, gitea(body, "pull_request"), body, "s3cret-of-the-hook"));
  EXPECT_FALSE(is_authentic(ForgeKind::gitea, gitea(body, "pull_request"), body + " ", "s3cret-of-the-hook"));
  EXPECT_FALSE(is_authentic(ForgeKind::gitea, gitea(body, "pull_request", "another"), body, "s3cret-of-the-hook"));
  EXPECT_FALSE(is_authentic(ForgeKind::gitea, {}, body, "s3cret-of-the-hook"));
  EXPECT_FALSE(is_authentic(ForgeKind::gitea, {{"x-gitea-signature", "not hex"}}, body, "s3cret-of-the-hook"));
}

// Known answer: RFC 4231, test case 2.
TEST(Signature, IsHmacSha256InHexadecimal) {
  EXPECT_TRUE(is_authentic(ForgeKind::gitea, {{"x-gitea-signature", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"}},
                           "what do ya want for nothing?", "Jefe"));
}

TEST(Signature, GitLabSendsTheSecret) {
  EXPECT_TRUE(is_authentic(ForgeKind::gitlab, {{"x-gitlab-token", "s3cret"}}, "{}", "s3cret"));
  EXPECT_FALSE(is_authentic(ForgeKind::gitlab, {{"x-gitlab-token", "s3cre"}}, "{}", "s3cret"));
  EXPECT_FALSE(is_authentic(ForgeKind::gitlab, {}, "{}", "s3cret"));
}

TEST(Signature, AnEmptySecretIsNeverRight) {
  EXPECT_FALSE(is_authentic(ForgeKind::gitlab, {{"x-gitlab-token", ""}}, "{}", ""));
  EXPECT_FALSE(is_authentic(ForgeKind::gitea, gitea("{}", "push", ""), "{}", ""));
}

Event gitea_event(const std::string& event, const std::string& body) {
  const auto e = parse_event(ForgeKind::gitea, gitea(body, event), body);
  EXPECT_TRUE(e) << (e ? "" : e.error());
  return e.value_or(Event{});
}

TEST(GiteaEvents, RequestsAreOpenedUpdatedMergedAndClosed) {
  const auto of = [](const char* action, const char* merged) {
    return gitea_event(
        "pull_request",
        fmt::format(R"({{"action":"{}","number":12,"pull_request":{{"merged":{}}},"repository":{{"full_name":"acme/platform"}}}})", action, merged));
  };
  EXPECT_EQ(of("opened", "false").kind, EventKind::opened);
  EXPECT_EQ(of("synchronized", "false").kind, EventKind::opened);
  EXPECT_EQ(of("reopened", "false").kind, EventKind::opened);
  EXPECT_EQ(of("closed", "true").kind, EventKind::merged);
  EXPECT_EQ(of("closed", "false").kind, EventKind::closed);
  EXPECT_EQ(of("label_updated", "false").kind, EventKind::none);
  EXPECT_EQ(of("opened", "false").number, 12);
  EXPECT_EQ(of("opened", "false").repository, "acme/platform");
  EXPECT_EQ(of("opened", "false").delivery, "d-1");
}

TEST(GiteaEvents, CommentsAreOfRequestsAndNew) {
  const auto of = [](const char* action, const char* pull) {
    return gitea_event("issue_comment",
                       fmt::format(R"({{"action":"{}","is_pull":{},"issue":{{"number":5}},"comment":{{"id":77,"body":"apply"}}}})", action, pull));
  };
  EXPECT_EQ(of("created", "true").kind, EventKind::comment);
  EXPECT_EQ(of("created", "true").comment_id, 77);
  EXPECT_EQ(of("created", "true").number, 5);
  EXPECT_EQ(of("edited", "true").kind, EventKind::none);
  EXPECT_EQ(of("created", "false").kind, EventKind::none);
}

TEST(GiteaEvents, PushesOfBranchesCount) {
  EXPECT_EQ(gitea_event("push", R"({"ref":"refs/heads/main"})").branch, "main");
  EXPECT_EQ(gitea_event("push", R"({"ref":"refs/tags/v1"})").kind, EventKind::none);
}

TEST(GiteaEvents, WhatIsMalformedIsNamed) {
  const auto bad = [](const std::string& event, const std::string& body) {
    const auto e = parse_event(ForgeKind::gitea, gitea(body, event), body);
    return e ? "" : e.error();
  };
  EXPECT_EQ(bad("pull_request", R"({"action":"opened"})"), "Field 'number' must be a positive number");
  EXPECT_EQ(bad("pull_request", R"({"action":"opened","number":"12"})"), "Field 'number' must be a positive number");
  EXPECT_EQ(bad("issue_comment", R"({"action":"created","is_pull":true,"issue":{"number":1}})"), "Field 'comment.id' must be a positive number");
  EXPECT_EQ(bad("push", "[]"), "The body must be a JSON object");
  EXPECT_NE(bad("push", "{"), "");
}

Event gitlab_event(const std::string& body) {
  const auto e = parse_event(ForgeKind::gitlab, {{"x-gitlab-event-uuid", "u-1"}}, body);
  EXPECT_TRUE(e) << (e ? "" : e.error());
  return e.value_or(Event{});
}

TEST(GitLabEvents, RequestsAreOpenedUpdatedMergedClosedAndApproved) {
  const auto of = [](const std::string& attributes) {
    return gitlab_event(
        R"({"object_kind":"merge_request","user":{"username":"ada"},"project":{"path_with_namespace":"acme/data/platform"},"object_attributes":{"iid":3,)" +
        attributes + "}}");
  };
  EXPECT_EQ(of(R"("action":"open")").kind, EventKind::opened);
  EXPECT_EQ(of(R"("action":"open")").repository, "acme/data/platform");
  EXPECT_EQ(of(R"("action":"update","oldrev":"e7f3167")").kind, EventKind::opened);
  EXPECT_EQ(of(R"("action":"update")").kind, EventKind::none) << "a label, a title";
  EXPECT_EQ(of(R"("action":"merge")").kind, EventKind::merged);
  EXPECT_EQ(of(R"("action":"close")").kind, EventKind::closed);
  const auto approved = of(R"("action":"approved","last_commit":{"id":"da1560886d4f094c3e6c9ef40349f7d38b5d27d7"})");
  EXPECT_EQ(approved.kind, EventKind::approval);
  EXPECT_EQ(approved.user, "ada");
  EXPECT_EQ(approved.head, "da1560886d4f094c3e6c9ef40349f7d38b5d27d7");
}

TEST(GitLabEvents, NotesAreOfRequestsAndNew) {
  const auto of = [](const std::string& attributes) {
    return gitlab_event(R"({"object_kind":"note","merge_request":{"iid":3},"object_attributes":{"id":1244,)" + attributes + "}}");
  };
  EXPECT_EQ(of(R"("noteable_type":"MergeRequest","action":"create")").kind, EventKind::comment);
  EXPECT_EQ(of(R"("noteable_type":"MergeRequest")").comment_id, 1244) << "older servers send no action";
  EXPECT_EQ(of(R"("noteable_type":"MergeRequest","action":"update")").kind, EventKind::none);
  EXPECT_EQ(of(R"("noteable_type":"Commit")").kind, EventKind::none);
  EXPECT_EQ(of(R"("noteable_type":"MergeRequest","system":true)").kind, EventKind::none);
}

TEST(Commands, AreTheFirstLineAlone) {
  const auto verb = [](const char* text) {
    const auto c = parse_command(text);
    return !c ? '-' : c->verb == Command::Verb::apply ? 'a' : c->verb == Command::Verb::plan ? 'p' : 'u';
  };
  EXPECT_EQ(verb("apply"), 'a');
  EXPECT_EQ(verb("  Apply  \nthanks"), 'a');
  EXPECT_EQ(verb("tarn plan"), 'p');
  EXPECT_EQ(verb("unlock"), 'u');
  EXPECT_EQ(verb("apply platform"), 'a');
  EXPECT_EQ(parse_command("apply ws-landing/compute")->unit, "ws-landing/compute");
  EXPECT_EQ(verb("please apply"), '-');
  EXPECT_EQ(verb("apply it now"), '-');
  EXPECT_EQ(verb("> apply"), '-');
  EXPECT_EQ(verb("`apply`"), '-');
  EXPECT_EQ(verb(""), '-');
  EXPECT_EQ(verb("\napply"), '-');
}

}  // namespace
}  // namespace tarn::review
