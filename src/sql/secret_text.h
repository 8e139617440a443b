#pragma once
#include <string>
#include <string_view>

namespace tarn::sql {

/// A statement's text as it may be kept: of one that makes or changes a connection (also inside a text that EXECUTE IMMEDIATE runs), without its
/// literals, of which any may be a password. Errs on the side of leaving out.
std::string without_secrets(std::string_view statement);

}  // namespace tarn::sql
