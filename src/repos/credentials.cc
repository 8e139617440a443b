#include "repos/credentials.h"

#include "base/ids.h"

namespace tarn::repos {
namespace {

struct CredentialRecord : CredentialInfo {
  std::int64_t workspace_id = 0, principal_id = 0;
  std::string store_key() const { return store::key({store::sortable(workspace_id), store::sortable(principal_id), std::to_string(credential_id)}); }
  std::vector<store::IndexEntry> store_indexes() const { return {}; }
};
BOOST_DESCRIBE_STRUCT(CredentialRecord, (CredentialInfo), (workspace_id, principal_id))
constexpr store::Collection<CredentialRecord> kCredentials{"repos.credential"};

constexpr std::array kProviders{"gitHub",
                                "gitHubOAuth",
                                "gitHubEnterprise",
                                "bitbucketCloud",
                                "bitbucketServer",
                                "gitLab",
                                "gitLabEnterpriseEdition",
                                "azureDevOpsServices",
                                "azureDevOpsServicesAad",
                                "awsCodeCommit",
                                "databricksGithubApp"};

std::string key_of(const access::Context& ctx, std::int64_t principal, std::int64_t id) {
  return store::key({store::sortable(here(ctx)), store::sortable(principal), std::to_string(id)});
}
std::string sealed_name(std::int64_t id) { return store::key({"repos", "credential", std::to_string(id)}); }
Error no_credential(std::int64_t id) { return {Errc::not_found, fmt::format("Git credential with ID {} could not be found", id)}; }

bool equal_names(std::string_view a, std::string_view b) {
  return std::ranges::equal(
      a, b, [](char x, char y) { return std::tolower(static_cast<unsigned char>(x)) == std::tolower(static_cast<unsigned char>(y)); });
}

Result<void> check(const CredentialRequest& r) {
  for (const auto& [name, text] : {std::pair("git_username", &r.git_username), std::pair("git_email", &r.git_email), std::pair("name", &r.name)})
    if (*text && ((*text)->size() > 255 || (*text)->find_first_of("\r\n") != std::string::npos))
      return refuse(Errc::invalid, fmt::format("Field '{}' must have at most 255 characters and no line break", name));
  if (r.git_username && r.git_username->find(':') != std::string::npos) return refuse(Errc::invalid, "Field 'git_username' must not hold a colon");
  if (r.personal_access_token && (r.personal_access_token->size() > 4096 || r.personal_access_token->find_first_of("\r\n") != std::string::npos))
    return refuse(Errc::invalid, "Field 'personal_access_token' must have at most 4096 characters and no line break");
  return {};
}

}  // namespace

std::optional<std::string> known_provider(std::string_view name) {
  for (const char* p : kProviders)
    if (equal_names(p, name)) return p;
  return std::nullopt;
}

Result<std::int64_t> Credentials::owner(const access::Context& ctx, std::optional<std::int64_t> principal) {
  if (!principal || *principal == 0 || *principal == ctx.caller.id) return ctx.caller.id;
  const auto found = directory_.get_principal(*principal);
  if (!ctx.caller.workspace_admin)
    return refuse(Errc::permission_denied, "Only workspace administrators can manage the Git credentials of a service principal.");
  if (!found || found->kind != identity::Kind::service_principal || !directory_.is_assigned(here(ctx), *principal))
    return refuse(Errc::not_found, fmt::format("Service principal with ID {} could not be found in this workspace", *principal));
  return *principal;
}

Result<CredentialInfo> Credentials::create(const access::Context& ctx, const CredentialRequest& r) {
  const auto who = owner(ctx, r.principal_id);
  const auto principal = who ? directory_.get_principal(*who) : std::nullopt;
  return store_.write_as(ctx.event("gitCredentials", "createGitCredential", {{"git_provider", r.git_provider.substr(0, 60)}}),
                         [&](store::WriteTxn& t) -> Result<CredentialInfo> {
                           if (!who) return fail(who.error());
                           const auto provider = known_provider(r.git_provider);
                           if (!provider) return refuse(Errc::invalid, "Invalid Git provider: " + r.git_provider.substr(0, 60));
                           TARN_CHECK(check(r));
                           if (!r.personal_access_token || r.personal_access_token->empty())
                             return refuse(Errc::invalid, "Field 'personal_access_token' is required for provider " + *provider);
                           const auto all = kCredentials.scan(t, store::prefix({store::sortable(here(ctx)), store::sortable(*who)}));
                           const auto same = [&](const CredentialRecord& c) { return c.git_provider == *provider; };
                           if (principal && principal->kind == identity::Kind::service_principal && std::ranges::any_of(all, same))
                             return refuse(Errc::conflict, "A Git credential already exists for provider " + *provider +
                                                               ". Only one credential per provider is allowed for service principals.");
                           if (all.size() >= 100) return refuse(Errc::limit_reached, "A principal can have at most 100 Git credentials.");
                           CredentialRecord c;
                           c.workspace_id = here(ctx), c.principal_id = *who, c.credential_id = new_numeric_id();
                           c.git_provider = *provider, c.git_username = r.git_username, c.git_email = r.git_email, c.name = r.name;
                           c.is_default_for_provider = r.is_default_for_provider.value_or(false) || std::ranges::none_of(all, same);
                           for (auto other : all) {
                             if (!c.is_default_for_provider || !same(other) || !other.is_default_for_provider) continue;
                             other.is_default_for_provider = false;
                             if (!kCredentials.update(t, other)) throw std::logic_error("a credential vanished inside its transaction");
                           }
                           if (!kCredentials.insert(t, c)) throw std::logic_error("a fresh credential is taken");
                           sealed_.put(t, sealed_name(c.credential_id), *r.personal_access_token);
                           t.audit().params["credential_id"] = std::to_string(c.credential_id);
                           return CredentialInfo(c);
                         });
}

Result<CredentialInfo> Credentials::get(const access::Context& ctx, std::int64_t id, std::optional<std::int64_t> principal) {
  TARN_TRY(who, owner(ctx, principal));
  const auto found = store_.read_as([&](store::ReadTxn& t) { return kCredentials.get(t, key_of(ctx, who, id)); });
  store_.audit_later(ctx.event("gitCredentials", "getGitCredential", {{"credential_id", std::to_string(id)}}));
  if (!found) return fail(no_credential(id));
  return CredentialInfo(found->value);
}

Result<std::vector<CredentialInfo>> Credentials::list(const access::Context& ctx, std::optional<std::int64_t> principal) {
  TARN_TRY(who, owner(ctx, principal));
  const auto all = store_.read_as([&](store::ReadTxn& t) {
    return kCredentials.scan(t, store::prefix({store::sortable(here(ctx)), store::sortable(who)}));
  });
  store_.audit_later(ctx.event("gitCredentials", "listGitCredentials"));
  return std::vector<CredentialInfo>(all.begin(), all.end());
}

Result<void> Credentials::update(const access::Context& ctx, std::int64_t id, const CredentialRequest& r) {
  const auto who = owner(ctx, r.principal_id);
  return store_.write_as(ctx.event("gitCredentials", "updateGitCredential", {{"credential_id", std::to_string(id)}}),
                         [&](store::WriteTxn& t) -> Result<void> {
                           if (!who) return fail(who.error());
                           auto found = kCredentials.get(t, key_of(ctx, *who, id));
                           if (!found) return fail(no_credential(id));
                           auto& c = found->value;
                           const auto provider = known_provider(r.git_provider);
                           if (!provider) return refuse(Errc::invalid, "Invalid Git provider: " + r.git_provider.substr(0, 60));
                           TARN_CHECK(check(r));
                           c.git_provider = *provider;
                           if (r.git_username) c.git_username = r.git_username;
                           if (r.git_email) c.git_email = r.git_email;
                           if (r.name) c.name = r.name;
                           if (r.is_default_for_provider) c.is_default_for_provider = *r.is_default_for_provider;
                           if (c.is_default_for_provider)
                             for (auto other : kCredentials.scan(t, store::prefix({store::sortable(here(ctx)), store::sortable(*who)}))) {
                               if (other.credential_id == id || other.git_provider != c.git_provider || !other.is_default_for_provider) continue;
                               other.is_default_for_provider = false;
                               if (!kCredentials.update(t, other)) throw std::logic_error("a credential vanished inside its transaction");
                             }
                           if (!kCredentials.update(t, c)) throw std::logic_error("a credential vanished inside its transaction");
                           if (r.personal_access_token && !r.personal_access_token->empty())
                             sealed_.put(t, sealed_name(id), *r.personal_access_token);
                           return {};
                         });
}

Result<void> Credentials::remove(const access::Context& ctx, std::int64_t id, std::optional<std::int64_t> principal) {
  const auto who = owner(ctx, principal);
  return store_.write_as(ctx.event("gitCredentials", "deleteGitCredential", {{"credential_id", std::to_string(id)}}),
                         [&](store::WriteTxn& t) -> Result<void> {
                           if (!who) return fail(who.error());
                           if (!kCredentials.erase(t, key_of(ctx, *who, id))) return fail(no_credential(id));
                           sealed_.erase(t, sealed_name(id));
                           return {};
                         });
}

Result<std::optional<GitLogin>> Credentials::login(const access::Context& ctx, const std::string& provider, std::optional<std::int64_t> id) {
  const auto all = store_.read_as([&](store::ReadTxn& t) {
    return kCredentials.scan(t, store::prefix({store::sortable(here(ctx)), store::sortable(ctx.caller.id)}));
  });
  const CredentialRecord* chosen = nullptr;
  for (const auto& c : all) {
    if (id && *id != 0 ? c.credential_id == *id : c.is_default_for_provider && equal_names(c.git_provider, provider)) chosen = &c;
  }
  if (!chosen && id && *id != 0) return fail(no_credential(*id));
  if (!chosen) return std::optional<GitLogin>();
  auto token = store_.read_as([&](store::ReadTxn& t) { return sealed_.get(t, sealed_name(chosen->credential_id)); });
  if (!token) throw std::logic_error("a Git credential without its token");
  const auto user = chosen->git_username.value_or("");
  return std::optional(GitLogin{.user = user.empty() ? "token" : user, .token = *std::move(token)});
}

void Credentials::on_workspace_deleted(store::WriteTxn& t, std::int64_t workspace) const {
  for (const auto& c : kCredentials.scan(t, store::prefix({store::sortable(workspace)}))) {
    sealed_.erase(t, sealed_name(c.credential_id));
    kCredentials.erase(t, c.store_key());
  }
}

}  // namespace tarn::repos
