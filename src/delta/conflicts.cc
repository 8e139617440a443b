#include "delta/conflicts.h"

#include <unordered_set>

#include "delta/protocol.h"

namespace tarn::delta {
namespace {

constexpr std::string_view kDocs = "https://docs.delta.io/latest/concurrency-control.html";

std::string operation_of(const ParsedCommit& winner) {
  const auto* info = winner.commit_info();
  const auto* v = info ? info->if_contains("operation") : nullptr;
  return v && v->is_string() ? std::string(v->get_string()) : "TRANSACTION";
}

bool blind_append(const ParsedCommit& winner) {
  const auto* info = winner.commit_info();
  const auto* v = info ? info->if_contains("isBlindAppend") : nullptr;
  return v && v->is_bool() && v->get_bool();
}

std::string conflicting_commit(const ParsedCommit& winner) {
  const auto* info = winner.commit_info();
  if (!info) return {};
  json::object shown = *info;
  shown["version"] = winner.version;
  return "\nConflicting commit: " + boost::json::serialize(shown);
}

Error conflict(std::string message) { return {Errc::conflict, std::move(message)}; }

/// "[a=1, b=null]", or nothing for an unpartitioned table.
std::string pretty(const std::map<std::string, std::optional<std::string>>& values) {
  std::string out;
  for (const auto& [k, v] : values) out += (out.empty() ? "[" : ", ") + k + "=" + v.value_or("null");
  return out.empty() ? out : out + "]";
}

Error file_conflict(std::string_view error_class, std::string head, std::string_view verb, std::string_view of, const std::string& partition) {
  return conflict(partition.empty() ? fmt::format("[{}.WITHOUT_HINT] {} The concurrent operation {} data that {} by this operation. Please retry the "
                                                  "operation. Refer to {} for more information.",
                                                  error_class, head, verb, of, kDocs)
                                    : fmt::format("[{}.WITH_PARTITION_HINT] {} The concurrent operation {} data in the partition {} that {} by this "
                                                  "operation. Please retry the operation. "
                                                  "Refer to {} for more information.",
                                                  error_class, head, verb, partition, of, kDocs));
}

bool matches(const AddFile& file, const std::vector<std::map<std::string, std::optional<std::string>>>& partitions) {
  if (partitions.empty()) return true;
  return std::any_of(partitions.begin(), partitions.end(), [&](const auto& wanted) {
    return std::all_of(wanted.begin(), wanted.end(), [&](const auto& kv) {
      const auto at = file.partition_values.find(kv.first);
      return at == file.partition_values.end() || at->second == kv.second;  // a value that the file does not tell could match
    });
  });
}

std::string removed_partition(const RemoveFile& r) {
  std::map<std::string, std::optional<std::string>> values;
  if (const auto* v = extra_field(r.extra, "partitionValues"); v && v->is_object())
    for (const auto& [k, item] : v->get_object()) values[k] = item.is_string() ? std::optional(std::string(item.get_string())) : std::nullopt;
  return pretty(values);
}

}  // namespace

Result<void> check_conflict(const Transaction& ours, const ParsedCommit& winner) {
  const Commit& commit = *ours.commit;
  const std::string by = operation_of(winner);
  for (const auto& a : winner.actions) {
    const auto* p = std::get_if<Protocol>(&a);
    if (!p) continue;
    TARN_CHECK(check_writable(*p, Metadata{}, {}, ours.table));
    if (commit.protocol || *p != ours.read_protocol)
      return fail(conflict(fmt::format(
          "[DELTA_PROTOCOL_CHANGED] ProtocolChangedException: The protocol version of the Delta table has been changed by a concurrent update. "
          "{}{}\nRefer to {} for more details.",
          winner.version == 0
              ? "This happens when multiple writers are writing to an empty directory. Creating the table ahead of time will avoid this conflict. "
              : "",
          conflicting_commit(winner), kDocs)));
  }
  for (const auto& a : winner.actions)
    if (std::holds_alternative<Metadata>(a))
      return fail(
          conflict(fmt::format("[DELTA_METADATA_CHANGED] MetadataChangedException: The metadata of the Delta table {} has been changed by a "
                               "concurrent update. Please try the operation again.{}\n"
                               "Refer to {} for more details.",
                               ours.table, conflicting_commit(winner), kDocs)));
  // Row ids are given out anew at each attempt; other domains say what only one of us can have meant.
  for (const auto& a : winner.actions)
    if (const auto* d = std::get_if<DomainAction>(&a); d && d->domain != "delta.rowTracking" && commit.domains.contains(d->domain))
      return fail(
          conflict(fmt::format("[DELTA_CONCURRENT_WRITE] ConcurrentWriteException: A concurrent transaction has written new data of the domain {} "
                               "since the current transaction read the table. Please try the operation again.{}\nRefer to {} for more details.",
                               d->domain, conflicting_commit(winner), kDocs)));
  if (commit.transaction)
    for (const auto& a : winner.actions)
      if (const auto* t = std::get_if<TxnAction>(&a); t && t->app_id == commit.transaction->first)
        return fail(conflict(
            fmt::format("[DELTA_CONCURRENT_TRANSACTION] ConcurrentTransactionException: This error occurs when multiple streaming queries are using "
                        "the same checkpoint to write into "
                        "this table. Did you run multiple instances of the same streaming query at the same time?{}\nRefer to {} for more details.",
                        conflicting_commit(winner), kDocs)));

  // A blind append of somebody else may be ordered after us, unless reads must be repeatable or we change what its rows mean.
  const bool check_appends = ours.reads && ours.changes_data && (ours.serializable || commit.metadata || !blind_append(winner));
  if (check_appends)
    for (const auto& a : winner.actions)
      if (const auto* add = std::get_if<std::shared_ptr<const AddFile>>(&a); add && matches(**add, commit.read_partitions))
        return fail(file_conflict("DELTA_CONCURRENT_APPEND",
                                  fmt::format("Transaction conflict detected. a concurrent {} added data to table {} committed at version {}.", by,
                                              ours.table, winner.version),
                                  "modified", "should have been read", pretty((*add)->partition_values)));

  std::unordered_set<std::string_view> read(commit.read_files.begin(), commit.read_files.end()), removed;
  for (const auto& r : commit.remove) removed.insert(r.path);
  for (const auto& a : winner.actions) {
    const auto* r = std::get_if<std::shared_ptr<const RemoveFile>>(&a);
    if (!r) continue;
    const bool was_read = read.contains((*r)->path);
    if (was_read || (ours.reads && commit.read_whole_table))
      return fail(file_conflict(
          "DELTA_CONCURRENT_DELETE_READ",
          fmt::format(
              "Transaction conflict detected, a concurrent {} deleted data from table {} (committed at version {}) that this transaction read.", by,
              ours.table, winner.version),
          "deleted", "was read", was_read ? removed_partition(**r) : std::string()));
    if (removed.contains((*r)->path))
      return fail(file_conflict("DELTA_CONCURRENT_DELETE_DELETE",
                                fmt::format("Transaction conflict detected, a concurrent {} deleted data from table {} (committed at version {}) "
                                            "that this transaction attempted to delete.",
                                            by, ours.table, winner.version),
                                "deleted", "was read", removed_partition(**r)));
  }
  return {};
}

}  // namespace tarn::delta
