#pragma once
// The owner's door to a running server: HTTP over DIR/run/control.sock, a socket that only the folder's owner may open.
#include <optional>
#include <string>

#include "base/json.h"
#include "client/session.h"

namespace tarn::cli {

class Control {
 public:
  explicit Control(std::string data_dir) : data_dir_(std::move(data_dir)) {}
  /// One call; an error names the folder if no server runs on it.
  client::Result<json::value> call(std::string_view method, std::string_view path, const std::optional<json::value>& body = {}) const;

 private:
  std::string data_dir_;
};

}  // namespace tarn::cli
