#include "account/fixtures.h"

namespace tarn::account::testing {
namespace {

using ::testing::Test;

TEST_F(AccountTest, CredentialsCarryTheAccountAsExternalId) {
  const auto made = room.configurations.create_credential(admin, {"cross-account", {{kRole, "ignored"}}});
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->aws_credentials.sts_role.external_id, kAccount);
  EXPECT_EQ(made->account_id, kAccount);
  EXPECT_EQ(made->creation_time, clock.now());
  EXPECT_EQ(room.configurations.get_credential(admin, made->credentials_id)->credentials_name, "cross-account");
  ASSERT_EQ(room.configurations.list_credentials(admin).size(), 1u);
}

TEST_F(AccountTest, CredentialsRefuseWhatIsNotARoleAndWriteNothing) {
  for (const std::string arn : {"", "role", "arn:aws:iam::123:role/x", "arn:aws:iam::123456789012:user/x", "arn:aws:s3:::bucket",
                                "arn:aws:iam::123456789012:role/", "arn:aws:iam::123456789012:role/\xc3\xa9t\xc3\xa9"}) {
    const auto made = room.configurations.create_credential(admin, {"name", {{arn, std::nullopt}}});
    EXPECT_EQ(code_of(made), Errc::invalid) << arn;
    EXPECT_NE(message_of(made).find("aws_credentials.sts_role.role_arn"), std::string::npos) << message_of(made);
  }
  EXPECT_TRUE(room.configurations.list_credentials(admin).empty());
  const auto log = audited("createCredentialsConfiguration");
  ASSERT_EQ(log.size(), 7u);
  EXPECT_EQ(log.front().event.outcome, store::Outcome::failed);
  EXPECT_EQ(log.front().event.status, 400);
}

TEST_F(AccountTest, NamesAreForPeopleButBounded) {
  EXPECT_EQ(message_of(room.configurations.create_credential(admin, {"", {{kRole, std::nullopt}}})), "Field 'credentials_name' must not be empty");
  EXPECT_EQ(code_of(room.configurations.create_credential(admin, {"   ", {{kRole, std::nullopt}}})), Errc::invalid);
  EXPECT_EQ(code_of(room.configurations.create_credential(admin, {std::string("a\x1f"
                                                                              "b"),
                                                                  {{kRole, std::nullopt}}})),
            Errc::invalid);
  EXPECT_EQ(code_of(room.configurations.create_credential(admin, {std::string(257, 'x'), {{kRole, std::nullopt}}})), Errc::invalid);
  std::string umlauts;
  for (int i = 0; i < 256; ++i) umlauts += "\xc3\xbc";
  EXPECT_TRUE(room.configurations.create_credential(admin, {umlauts, {{kRole, std::nullopt}}}));
}

TEST_F(AccountTest, ANameIsTakenOnce) {
  credentials("one");
  const auto again = room.configurations.create_credential(admin, {"one", {{kRole, std::nullopt}}});
  EXPECT_EQ(code_of(again), Errc::already_exists);
  EXPECT_EQ(message_of(again), "Credential configuration name one already exists in this account. Try again with a unique name.");
}

TEST_F(AccountTest, StorageNamesABucketByTheRulesOfS3) {
  for (const std::string bucket : {"", "ab", "Upper", "under_score", "-lead", "a..b",
                                   "b\xc3\xbc"
                                   "cket"}) {
    const auto made = room.configurations.create_storage(admin, {"root", {bucket}, std::nullopt});
    EXPECT_EQ(code_of(made), Errc::invalid) << bucket;
    EXPECT_NE(message_of(made).find("root_bucket_info.bucket_name"), std::string::npos);
  }
  EXPECT_EQ(code_of(room.configurations.create_storage(admin, {"root", {"acme-root"}, "nonsense"})), Errc::invalid);
  EXPECT_TRUE(room.configurations.create_storage(admin, {"root", {"acme-root"}, kRole}));
  EXPECT_TRUE(room.configurations.create_storage(admin, {"other", {"acme-root"}, std::nullopt})) << "two configurations may name one bucket";
}

TEST_F(AccountTest, KeysKnowTheirRegionFromTheArn) {
  const std::string arn = "arn:aws:kms:us-east-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";
  const auto made = room.configurations.create_key(admin, {{arn, "alias/k", std::nullopt, std::nullopt}, {KeyUseCase::STORAGE}});
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(made->aws_key_info.key_region, "us-east-1");
  EXPECT_EQ(code_of(room.configurations.create_key(admin, {{arn, std::nullopt, "eu-west-1", std::nullopt}, {KeyUseCase::STORAGE}})), Errc::invalid);
  EXPECT_EQ(code_of(room.configurations.create_key(admin, {{arn, "k", std::nullopt, std::nullopt}, {KeyUseCase::STORAGE}})), Errc::invalid);
  EXPECT_EQ(code_of(room.configurations.create_key(admin, {{arn, std::nullopt, std::nullopt, std::nullopt}, {}})), Errc::invalid);
  EXPECT_EQ(
      code_of(room.configurations.create_key(admin, {{arn, std::nullopt, std::nullopt, std::nullopt}, {KeyUseCase::STORAGE, KeyUseCase::STORAGE}})),
      Errc::invalid);
  EXPECT_EQ(code_of(room.configurations.create_key(admin, {{kRole, std::nullopt, std::nullopt, std::nullopt}, {KeyUseCase::STORAGE}})),
            Errc::invalid);
  EXPECT_EQ(room.configurations.list_keys(admin).size(), 1u);
}

TEST_F(AccountTest, WhatAWorkspaceUsesCannotBeDeleted) {
  const auto w = running(workspace_request());
  const auto gone = room.configurations.delete_credential(admin, w.credentials_id);
  EXPECT_EQ(code_of(gone), Errc::in_use);
  EXPECT_EQ(message_of(gone), fmt::format("Unable to delete, Credentials is being used by active workspace {}", w.workspace_id));
  EXPECT_EQ(audited("deleteCredentialsConfiguration").back().event.status, 409);
  EXPECT_EQ(code_of(room.configurations.delete_storage(admin, w.storage_configuration_id)), Errc::in_use);
  ASSERT_TRUE(room.workspaces.remove(admin, w.workspace_id));
  room.settle();
  EXPECT_TRUE(room.configurations.delete_credential(admin, w.credentials_id));
  EXPECT_TRUE(room.configurations.delete_storage(admin, w.storage_configuration_id));
  EXPECT_EQ(code_of(room.configurations.get_credential(admin, w.credentials_id)), Errc::not_found);
  EXPECT_EQ(code_of(room.configurations.delete_credential(admin, w.credentials_id)), Errc::not_found);
}

}  // namespace
}  // namespace tarn::account::testing
