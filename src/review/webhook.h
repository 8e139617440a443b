#pragma once
// Webhook deliveries: whether they are who they say, and what they are about. Pure.
// Gitea signs the body: X-Gitea-Signature is the HMAC-SHA256 of it in hexadecimal. GitLab sends the shared secret itself: X-Gitlab-Token.
#include <map>
#include <string>

#include "review/forge.h"

namespace tarn::review {

using Headers = std::map<std::string, std::string>;  // lower-case names

/// Constant time in the secret. An empty secret is never right.
bool is_authentic(ForgeKind forge, const Headers& headers, std::string_view body, std::string_view secret);

/// The repository that an unverified body claims to come from: what the secret is looked up by. Empty if the body is not such a document.
std::string claimed_repository(ForgeKind forge, std::string_view body);

/// Reads a delivery that is_authentic. The error is what is wrong with it, naming the field. Other events than ours are EventKind::none.
Expected<Event, std::string> parse_event(ForgeKind forge, const Headers& headers, std::string_view body);

/// A comment as an order. Its first line alone counts: `apply`, `plan` or `unlock`, optionally after `tarn`, optionally with one unit's name.
struct Command {
  enum class Verb { apply, plan, unlock } verb = Verb::plan;
  std::string unit;  // empty: all
};
std::optional<Command> parse_command(std::string_view comment);

}  // namespace tarn::review
