// What a warehouse's size is worth, and from when on.
#include "sql/warehouse_sizes.h"

#include <gmock/gmock.h>

#include "access/testing.h"
#include "sql/testing.h"

namespace tarn::sql::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::uint64_t kGiB = 1ull << 30;

TEST(WarehouseSizes, DoubleFromStepToStepUpToWhatTheHostHas) {
  const SizeRule large{.host_threads = 64, .host_memory_bytes = 256 * kGiB};
  EXPECT_EQ(share_of("2X-Small", large), (engine::Share{2, 2 * kGiB, 8 * kGiB}));
  EXPECT_EQ(share_of("X-Small", large), (engine::Share{4, 4 * kGiB, 16 * kGiB}));
  EXPECT_EQ(share_of("Large", large), (engine::Share{32, 32 * kGiB, 128 * kGiB}));
  EXPECT_EQ(share_of("5X-Large", large).threads, 64);
  EXPECT_EQ(share_of("5X-Large", large).memory_bytes, 192 * kGiB);
  EXPECT_FALSE(saturated_at("Large", large));
  EXPECT_EQ(saturated_at("5X-Large", large), "3X-Large");  // 256 GiB asked for, 192 had
  const SizeRule small{.host_threads = 2, .host_memory_bytes = 8 * kGiB};
  EXPECT_EQ(share_of("2X-Small", small), (engine::Share{2, 2 * kGiB, 8 * kGiB}));
  EXPECT_EQ(share_of("Medium", small), (engine::Share{2, 6 * kGiB, 64 * kGiB}));
  EXPECT_FALSE(saturated_at("Small", small));
  EXPECT_EQ(saturated_at("Medium", small), "Small");
  EXPECT_THAT(size_text("X-Large", small), HasSubstr("Small gets as much"));
  EXPECT_THAT(size_text("2X-Small", small), Not(HasSubstr("as much")));
  // A host that has less than the smallest size's part gives what it has.
  EXPECT_EQ(share_of("2X-Small", {.host_threads = 1, .host_memory_bytes = kGiB}), (engine::Share{1, 768u << 20, 8 * kGiB}));
}

TEST(WarehouseSizes, AStatementThatASmallOneCannotHoldRunsOnALargerOneAndTheNextOneHasTheNewSize) {
  World world;
  access::testing::FakePermissions permissions;
  const SizeRule rule{.smallest = {.threads = 1, .memory_bytes = 32u << 20, .spill_bytes = 64u << 20}, .host_threads = 2, .host_memory_bytes = kGiB};
  Warehouses sized(*world.store, permissions, world.clock, rule);
  Statements here(*world.executor, sized, *world.store, *world.objects, world.vendor, world.clock, {.server_id = "sized"});
  const auto made = sized.create(world.as("automation"), {.name = "sized", .cluster_size = "2X-Small"});
  ASSERT_TRUE(made) << made.error().message;
  const auto id = made->id;
  const auto told = [&](const std::string& sql) { return testing::told(here, world.as("automation"), {.statement = sql, .warehouse_id = id}); };
  const std::string big = "SELECT length(array_join(collect_list(repeat('x', 1000)), '')) FROM range(60000)";
  EXPECT_THAT(told(big), HasSubstr("Out of Memory"));
  ASSERT_TRUE(sized.edit(world.as("automation"), id, {.cluster_size = "Large"}));
  EXPECT_EQ(told(big), "");
  ASSERT_TRUE(sized.edit(world.as("automation"), id, {.cluster_size = "2X-Small"}));
  EXPECT_THAT(told(big + " WHERE id >= 0"), HasSubstr("Out of Memory"));
}

}  // namespace
}  // namespace tarn::sql::testing
