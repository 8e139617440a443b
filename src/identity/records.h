#pragma once
// What identity keeps in the store. Private to the room. Ids in keys are store::sortable, so listings come in id order.
#include <cctype>

#include "identity/directory.h"
#include "store/store.h"

namespace tarn::identity {

BOOST_DESCRIBE_ENUM(Kind, user, service_principal, group)

/// Names of users and groups compare without case (ASCII; e-mail addresses and group names as people type them).
inline std::string folded(std::string_view name) {
  std::string out(name);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

struct Email {
  std::string value;
  std::string type;
  bool primary = false;
};
BOOST_DESCRIBE_STRUCT(Email, (), (value, type, primary))

struct PrincipalRecord {
  std::int64_t id = 0;
  Kind kind = Kind::user;
  std::string name;  // user name, application id or group name
  std::string display_name;
  std::string external_id;
  std::string given_name, family_name;
  bool active = true;
  std::vector<Email> emails;
  std::vector<std::string> roles;  // account roles: account_admin
  std::int64_t workspace_id = 0;   // 0: account level; else a group local to this workspace
  bool system = false;             // a workspace's `admins` and `users`: cannot be deleted or renamed, members are its assignments
  Millis created_at = 0, updated_at = 0;

  std::string store_key() const { return store::sortable(id); }
  static std::string name_value(Kind kind, std::int64_t workspace, std::string_view name) {
    return store::key({json::name_of(kind), store::sortable(workspace), folded(name)});
  }
  static std::string level_value(Kind kind, std::int64_t workspace) { return store::key({json::name_of(kind), store::sortable(workspace)}); }
  std::vector<store::IndexEntry> store_indexes() const {
    std::vector<store::IndexEntry> out{{"name", name_value(kind, workspace_id, name), true}, {"level", level_value(kind, workspace_id)}};
    for (const auto& r : roles) out.push_back({"role", r});
    if (!external_id.empty()) out.push_back({"external_id", external_id});
    return out;
  }
};
BOOST_DESCRIBE_STRUCT(PrincipalRecord, (),
                      (id, kind, name, display_name, external_id, given_name, family_name, active, emails, roles, workspace_id, system, created_at,
                       updated_at))

struct MemberRecord {
  std::int64_t group = 0, member = 0;
  std::string store_key() const { return store::key({store::sortable(group), store::sortable(member)}); }
  std::vector<store::IndexEntry> store_indexes() const { return {{"member", store::sortable(member)}}; }
};
BOOST_DESCRIBE_STRUCT(MemberRecord, (), (group, member))

/// A principal's place in a workspace.
struct AssignmentRecord {
  std::int64_t workspace_id = 0, principal = 0;
  bool admin = false;
  std::string store_key() const { return store::key({store::sortable(workspace_id), store::sortable(principal)}); }
  std::vector<store::IndexEntry> store_indexes() const { return {{"principal", store::sortable(principal)}}; }
};
BOOST_DESCRIBE_STRUCT(AssignmentRecord, (), (workspace_id, principal, admin))

struct EntitlementRecord {
  std::int64_t workspace_id = 0, principal = 0;
  std::vector<std::string> entitlements;
  std::string store_key() const { return store::key({store::sortable(workspace_id), store::sortable(principal)}); }
  std::vector<store::IndexEntry> store_indexes() const { return {{"principal", store::sortable(principal)}}; }
};
BOOST_DESCRIBE_STRUCT(EntitlementRecord, (), (workspace_id, principal, entitlements))

/// A service principal's client secret; only its hash is here (256 bits of randomness need no salt or stretching).
struct SecretRecord {
  std::int64_t principal = 0;
  std::string id;
  std::string hash;  // SHA-256, hexadecimal
  Millis created_at = 0, expires_at = 0;
  std::string store_key() const { return store::key({store::sortable(principal), id}); }
  std::vector<store::IndexEntry> store_indexes() const { return {}; }
};
BOOST_DESCRIBE_STRUCT(SecretRecord, (), (principal, id, hash, created_at, expires_at))

enum class TokenKind { oauth, personal };
BOOST_DESCRIBE_ENUM(TokenKind, oauth, personal)

struct TokenRecord {
  std::string hash;  // SHA-256 of the token, hexadecimal
  std::string id;    // what people name it by
  TokenKind kind = TokenKind::oauth;
  std::int64_t principal = 0;
  std::int64_t workspace_id = 0;  // 0: an account token, good on every workspace that has its principal
  std::int64_t created_by = 0;
  std::string secret_id;  // OAuth: the client secret that it came from
  std::string comment;
  Millis created_at = 0, expires_at = 0;  // expires_at 0: never
  std::string store_key() const { return hash; }
  std::vector<store::IndexEntry> store_indexes() const {
    std::vector<store::IndexEntry> out{{"id", id, true}, {"principal", store::sortable(principal)}};
    if (workspace_id) out.push_back({"workspace", store::sortable(workspace_id)});
    if (kind == TokenKind::oauth) out.push_back({"oauth", store::sortable(principal)});
    if (kind == TokenKind::personal) out.push_back({"personal", store::key({store::sortable(workspace_id), store::sortable(principal)})});
    return out;
  }
};
BOOST_DESCRIBE_STRUCT(TokenRecord, (), (hash, id, kind, principal, workspace_id, created_by, secret_id, comment, created_at, expires_at))

struct Grant {
  std::string role;
  std::vector<std::int64_t> principals;
};
BOOST_DESCRIBE_STRUCT(Grant, (), (role, principals))

/// Who holds which role on a resource. `resource` is a principal id, or 0 for the account.
struct RuleSetRecord {
  std::int64_t resource = 0;
  std::vector<Grant> grants;
  std::int64_t revision = 0;
  std::string store_key() const { return store::sortable(resource); }
  std::vector<store::IndexEntry> store_indexes() const { return {}; }
};
BOOST_DESCRIBE_STRUCT(RuleSetRecord, (), (resource, grants, revision))

/// How often what caches hold has changed. Most writes of the platform touch other rooms: caches look here before they forget.
struct EpochRecord {
  std::int64_t value = 0;
  std::string store_key() const { return "epoch"; }
  std::vector<store::IndexEntry> store_indexes() const { return {}; }
};
BOOST_DESCRIBE_STRUCT(EpochRecord, (), (value))

/// The automation service principal of the first start.
struct BootstrapRecord {
  std::int64_t principal = 0;
  std::string store_key() const { return "automation"; }
  std::vector<store::IndexEntry> store_indexes() const { return {}; }
};
BOOST_DESCRIBE_STRUCT(BootstrapRecord, (), (principal))

inline constexpr store::Collection<PrincipalRecord> kPrincipals{"identity.principal"};
inline constexpr store::Collection<MemberRecord> kMembers{"identity.member"};
inline constexpr store::Collection<AssignmentRecord> kAssignments{"identity.assignment"};
inline constexpr store::Collection<EntitlementRecord> kEntitlements{"identity.entitlement"};
inline constexpr store::Collection<SecretRecord> kSecrets{"identity.secret"};
inline constexpr store::Collection<TokenRecord> kTokens{"identity.token"};
inline constexpr store::Collection<RuleSetRecord> kRuleSets{"identity.rule_set"};
inline constexpr store::Collection<EpochRecord> kEpoch{"identity.epoch"};
inline constexpr store::Collection<BootstrapRecord> kBootstrap{"identity.bootstrap"};

}  // namespace tarn::identity
