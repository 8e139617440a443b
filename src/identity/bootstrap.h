#pragma once
// The first start and the owner's verbs (see identity::Bootstrap).
#include "identity/tokens.h"

namespace tarn::identity {

class OwnerDoor final : public Bootstrap {
 public:
  /// All must outlive this.
  OwnerDoor(store::Store& store, const Clock& clock, Tokens& tokens) : store_(store), clock_(clock), tokens_(tokens) {}

  Admin ensure_admin(bool new_secret) override;
  Expected<std::string, std::string> mint_token(std::string_view principal, std::optional<std::int64_t> workspace_id) override;
  /// A first person with the account admin role; an existing user of that name is left as it is. The error is a text for people.
  Expected<void, std::string> ensure_admin_user(std::string_view user_name);

 private:
  store::Store& store_;
  const Clock& clock_;
  Tokens& tokens_;
};

}  // namespace tarn::identity
