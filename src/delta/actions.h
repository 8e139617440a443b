#pragma once
// Actions: one JSON object a line of a commit file or row of a checkpoint ("Actions" of the protocol). Unknown actions and fields are
// ignored as the protocol asks; fields of add and remove that we do not interpret are kept in `extra`.
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "delta/log.h"

namespace tarn::delta {

struct TxnAction {
  std::string app_id;
  AppTransaction transaction;
};
struct DomainAction {
  std::string domain;
  json::value body;
  bool removed = false;
};
struct SidecarAction {
  std::string path;
  std::uint64_t size = 0;
};
struct CheckpointMetadataAction {
  std::int64_t version = 0;
};
struct CdcAction {
  ChangeFile file;
};
struct InfoAction {
  json::object body;
};

using Action = std::variant<std::shared_ptr<const AddFile>, std::shared_ptr<const RemoveFile>, Metadata, Protocol, TxnAction, DomainAction,
                            SidecarAction, CheckpointMetadataAction, CdcAction, InfoAction>;

/// Parses the lines of a file, in order. `where` (a file name) and the line's number go into the message of an error: corrupt.
Result<std::vector<Action>> parse_actions(std::string_view text, const objects::Url& root, std::string_view where);
/// Parses one line and appends what it holds; null members and unknown actions add nothing. The problem's text on failure.
Result<void> parse_action(std::string_view line, const objects::Url& root, std::vector<Action>& out);

// As lines, without the newline.
std::string print(const AddFile& add);
std::string print(const RemoveFile& remove);
std::string print(const Metadata& metadata);
std::string print(const Protocol& protocol);
std::string print_txn(const std::string& app_id, const AppTransaction& transaction);
std::string print_domain(const json::value& body);
std::string print(const ChangeFile& change);

/// What identifies a logical file: its path and its deletion vector's unique id (empty for none).
std::string dv_id(const json::value& deletion_vector);
std::string file_key(const AddFile& add);
std::string file_key(const RemoveFile& remove);
inline std::size_t hash_of(const std::string& key) { return std::hash<std::string>{}(key); }

/// The deletion vector, partition values, … that `remove` carries; null if absent.
const json::value* extra_field(const json::value& extra, std::string_view name);

}  // namespace tarn::delta
