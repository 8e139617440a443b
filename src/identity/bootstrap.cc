#include "identity/bootstrap.h"

#include "base/ids.h"
#include "identity/roster.h"

namespace tarn::identity {

Bootstrap::Admin OwnerDoor::ensure_admin(bool new_secret) {
  const auto ctx = access::system_context("bootstrap");
  struct Found {
    PrincipalRecord principal;
    bool made = false;
  };
  const auto look = [](store::ReadTxn& t) -> std::optional<PrincipalRecord> {
    const auto mark = kBootstrap.get(t, "automation");
    if (!mark) return std::nullopt;
    auto p = roster::get(t, mark->value.principal);
    const bool able = p && p->active && std::find(p->roles.begin(), p->roles.end(), roster::kAccountAdmin) != p->roles.end();
    return able ? p : std::nullopt;
  };
  auto found = store_.read_as([&](store::ReadTxn& t) { return look(t); });
  bool made = false;
  if (!found) {
    const auto done = roster::change(store_, ctx.event("accounts", "add", {{"targetUserName", "tarn-automation"}}),
                                     [&](store::WriteTxn& t) -> Result<PrincipalRecord> {
                                       if (auto there = look(t)) return *there;  // another server was first
                                       made = true;
                                       PrincipalRecord p{.id = new_numeric_id(),
                                                         .kind = Kind::service_principal,
                                                         .name = new_uuid(),
                                                         .display_name = "tarn-automation",
                                                         .roles = {roster::kAccountAdmin},
                                                         .created_at = clock_.now(),
                                                         .updated_at = clock_.now()};
                                       if (!kPrincipals.insert(t, p) || !kBootstrap.put(t, {p.id}))
                                         throw std::logic_error("the first principal is taken");
                                       t.audit().params["targetUserId"] = std::to_string(p.id);
                                       return p;
                                     });
    found = *done;
  }
  Admin out{.client_id = found->name};
  if (made || new_secret) {
    auto secret = tokens_.create_secret(ctx, found->id, std::nullopt);
    if (!secret) {
      // Five live secrets: the oldest, whose copy is lost, makes room.
      const auto all = tokens_.list_secrets(ctx, found->id);
      const auto oldest = std::min_element(all->begin(), all->end(), [](const Secret& a, const Secret& b) { return a.create_time < b.create_time; });
      if (!tokens_.delete_secret(ctx, found->id, oldest->id)) throw std::runtime_error("the automation principal's secrets cannot be replaced");
      secret = tokens_.create_secret(ctx, found->id, std::nullopt);
    }
    if (!secret) throw std::runtime_error("no secret for the automation principal: " + secret.error().message);
    out.client_secret = *secret->secret;
  }
  return out;
}

Expected<std::string, std::string> OwnerDoor::mint_token(std::string_view principal, std::optional<std::int64_t> workspace_id) {
  auto token = tokens_.mint(access::system_context("owner"), principal, workspace_id);
  if (!token) return fail(token.error().message);
  return *std::move(token);
}

Expected<void, std::string> OwnerDoor::ensure_admin_user(std::string_view user_name) {
  if (user_name.find('@') == user_name.npos) return fail(fmt::format("'{}' is not an e-mail address", user_name));
  const auto ctx = access::system_context("owner");
  if (store_.read_as([&](store::ReadTxn& t) { return roster::by_name(t, Kind::user, 0, user_name).has_value(); })) return {};
  const auto done =
      roster::change(store_, ctx.event("accounts", "add", {{"targetUserName", std::string(user_name)}}), [&](store::WriteTxn& t) -> Result<void> {
        const PrincipalRecord p{.id = new_numeric_id(),
                                .kind = Kind::user,
                                .name = std::string(user_name),
                                .display_name = std::string(user_name),
                                .emails = {{std::string(user_name), "work", true}},
                                .roles = {roster::kAccountAdmin},
                                .created_at = clock_.now(),
                                .updated_at = clock_.now()};
        if (!kPrincipals.insert(t, p))
          return fail(Error{Errc::already_exists, fmt::format("User with email {} already exists in this account", user_name)});
        return {};
      });
  if (!done && done.error().code != Errc::already_exists) return fail(done.error().message);
  return {};
}

}  // namespace tarn::identity
