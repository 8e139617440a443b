#include "permissions/lists.h"

#include <mutex>

namespace tarn::permissions {
namespace {

std::int64_t epoch_of(store::ReadTxn& t) {
  const auto e = kEpoch.get(t, "epoch");
  return e ? e->value.value : 0;
}

}  // namespace

void changed(store::WriteTxn& t) {
  if (!kEpoch.put(t, {epoch_of(t) + 1})) throw std::logic_error("the epoch of permissions is not unique");
}

std::shared_ptr<const ListRecord> Lists::get(std::int64_t workspace, const access::ObjectRef& object) {
  if (const auto generation = store_.generation(); seen_generation_.load(std::memory_order_acquire) != generation) {
    const auto epoch = store_.read_as(epoch_of);
    std::unique_lock lock(mutex_);
    if (epoch > epoch_) known_.clear(), epoch_ = epoch;
    // A slower thread may come last with an older generation: the next request just looks again.
    seen_generation_.store(generation, std::memory_order_release);
  }
  const auto key = ListRecord::key_of(workspace, object);
  {
    std::shared_lock lock(mutex_);
    if (const auto i = known_.find(key); i != known_.end()) return i->second;
  }
  auto [epoch, found] = store_.read_as([&](store::ReadTxn& t) { return std::pair(epoch_of(t), kLists.get(t, key)); });
  auto list = found ? std::make_shared<const ListRecord>(std::move(found->value)) : nullptr;
  std::unique_lock lock(mutex_);
  if (epoch_ != epoch) return list;
  if (known_.size() >= kMost) known_.clear();
  known_.insert_or_assign(key, list);
  return list;
}

}  // namespace tarn::permissions
