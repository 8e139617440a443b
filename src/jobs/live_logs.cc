#include "jobs/live_logs.h"

namespace tarn::jobs {
namespace {

bool begins_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

}  // namespace

void LiveLogs::add(std::int64_t id, std::int64_t at, std::string_view text) {
  const std::lock_guard lock(mutex_);
  auto& one = all_[id];
  if (at > one.characters || at < 0) return;  // a gap: the node sends the whole again when it dials in
  std::int64_t skip = one.characters - at;
  std::size_t from = 0;
  for (; from < text.size(); ++from)
    if (begins_character(text[from]) && skip-- == 0) break;
  if (skip > 0 || one.text.size() + text.size() - from > kMostBytes) return;
  for (std::size_t i = from; i < text.size(); ++i) one.characters += begins_character(text[i]);
  one.text.append(text.substr(from));
}

std::string LiveLogs::text(std::int64_t id) const {
  const std::lock_guard lock(mutex_);
  const auto i = all_.find(id);
  return i == all_.end() ? "" : i->second.text;
}

void LiveLogs::forget(std::int64_t id) {
  const std::lock_guard lock(mutex_);
  all_.erase(id);
}

}  // namespace tarn::jobs
