#pragma once
// Scripts of SQL statements.
#include <string>
#include <string_view>
#include <vector>

namespace tarn {

/// The statements of a script, split at semicolons outside quotes and comments; comments are dropped, empty statements too.
std::vector<std::string> split_script(std::string_view text);

}  // namespace tarn
