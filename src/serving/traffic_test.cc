// Shares of the traffic, canaries, calls a minute, counts: the arithmetic.
#include "serving/traffic.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "serving/runtime.h"

namespace tarn::serving {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

View split(const std::vector<int>& shares) {
  View v;
  for (const int share : shares) v.routes.emplace_back(std::make_shared<Served>(ServedEntity{.name = std::to_string(v.routes.size())}), share);
  return v;
}

TEST(Traffic, GoesByShares) {
  constexpr int kCalls = 20'000;
  const auto v = split({70, 0, 30});
  std::map<std::string, int> got;
  for (int i = 0; i < kCalls; ++i) ++got[v.pick()->entity.name];
  EXPECT_EQ(got.count("1"), 0u) << "a route without a share is asked by nobody";
  EXPECT_EQ(got["0"] + got["2"], kCalls);
  EXPECT_NEAR(got["0"], kCalls * 0.7, 520) << "eight standard deviations";
  EXPECT_EQ(split({100}).pick()->entity.name, "0");
  EXPECT_EQ(split({0, 100}).pick()->entity.name, "1");
  EXPECT_EQ(split({}).pick(), nullptr);
}

Outcomes ended(int fine, int failed, double ms = 1) {
  Outcomes out;
  for (int i = 0; i < fine; ++i) out.emplace_back(true, ms);
  for (int i = 0; i < failed; ++i) out.emplace_back(false, ms);
  return out;
}

TEST(CanaryTest, IsNotJudgedBeforeItHasHadItsRequests) {
  const Canary c{.served_model_name = "new", .max_error_percentage = 10, .min_requests = 20};
  EXPECT_FALSE(broken(c, ended(0, 19)));
  EXPECT_THAT(broken(c, ended(0, 20)).value_or(""), HasSubstr("100.0 % of its last 20 requests failed; at most 10 % may"));
  const Canary patient{.served_model_name = "new", .max_error_percentage = 10, .min_requests = 1'000'000};
  EXPECT_TRUE(broken(patient, ended(0, static_cast<int>(kOutcomes)))) << "as many as are kept are enough";
}

TEST(CanaryTest, MayReachItsBoundsAndNotPassThem) {
  const Canary errors{.served_model_name = "new", .max_error_percentage = 10, .min_requests = 10};
  EXPECT_FALSE(broken(errors, ended(90, 10)));
  EXPECT_TRUE(broken(errors, ended(89, 11)));
  const Canary slow{.served_model_name = "new", .max_p95_latency_ms = 50, .min_requests = 10};
  auto times = ended(96, 0, 50);
  for (int i = 0; i < 4; ++i) times.emplace_back(true, 5000);
  EXPECT_FALSE(broken(slow, times)) << "four of a hundred may be slow";
  for (int i = 0; i < 3; ++i) times.emplace_back(true, 5000);
  EXPECT_THAT(broken(slow, times).value_or(""), HasSubstr("p95 latency over 103 requests is 5000.0 ms; at most 50 ms"));
  EXPECT_FALSE(broken(slow, ended(0, 100, 1))) << "errors are not what it is bound by";
  const Canary both{.served_model_name = "new", .max_error_percentage = 5, .max_p95_latency_ms = 50, .min_requests = 1};
  EXPECT_THAT(broken(both, ended(1, 9, 900)).value_or(""), HasSubstr("requests failed")) << "errors are told first";
}

access::Caller person(const std::string& name, std::set<std::string> groups = {}) {
  access::Caller c{.id = 1, .name = name};
  c.group_names = std::move(groups);
  return c;
}

TEST(Limits, AreByTheMinuteAndTellHowLongToWait) {
  RateWindows w;
  const std::vector<RateLimit> two{{.calls = 2, .key = LimitKey::endpoint}};
  const auto began = Steady::time_point(seconds(1000));
  EXPECT_FALSE(w.take("e", two, person("ana"), began));
  EXPECT_FALSE(w.take("e", two, person("bob"), began + seconds(10)));
  EXPECT_EQ(w.take("e", two, person("ana"), began + seconds(20)), 40);
  EXPECT_EQ(w.take("e", two, person("ana"), began + std::chrono::milliseconds(59'500)), 1) << "never 0: that would be at once";
  EXPECT_FALSE(w.take("other", two, person("ana"), began + seconds(20))) << "endpoints have minutes of their own";
  EXPECT_FALSE(w.take("e", two, person("ana"), began + seconds(60)));
  EXPECT_FALSE(w.take("e", {}, person("ana"), began));
  EXPECT_TRUE(w.take("e", {{.calls = 0, .key = LimitKey::endpoint}}, person("ana"), began + seconds(61))) << "none at all";
}

TEST(Limits, CountEachCallerByItselfAndNamedOnesByTheirOwn) {
  RateWindows w;
  const std::vector<RateLimit> limits{{.calls = 1, .key = LimitKey::user}, {.calls = 3, .key = LimitKey::user, .principal = "ana"}};
  const auto now = Steady::time_point(seconds(1000));
  const auto calls = [&](const access::Caller& c) {
    int n = 0;
    while (n < 10 && !w.take("e", limits, c, now)) ++n;
    return n;
  };
  EXPECT_EQ(calls(person("ana")), 3) << "her own limit, not everybody's";
  EXPECT_EQ(calls(person("bob")), 1);
  EXPECT_EQ(calls(person("eve")), 1);
}

TEST(Limits, OfAGroupAreSharedByItsMembersAndARefusedCallCountsNowhere) {
  RateWindows w;
  const std::vector<RateLimit> limits{{.calls = 5, .key = LimitKey::endpoint}, {.calls = 2, .key = LimitKey::user_group, .principal = "ops"}};
  const auto now = Steady::time_point(seconds(1000));
  EXPECT_FALSE(w.take("e", limits, person("ana", {"ops"}), now));
  EXPECT_FALSE(w.take("e", limits, person("bob", {"ops"}), now));
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(w.take("e", limits, person("ana", {"ops"}), now));
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(w.take("e", limits, person("eve"), now)) << "five in all: the refused ones took none of them";
  EXPECT_TRUE(w.take("e", limits, person("eve"), now));
}

TEST(Limits, TwoOfOneKeyCountACallOnce) {
  RateWindows w;
  const std::vector<RateLimit> limits{{.calls = 4, .key = LimitKey::endpoint}, {.calls = 100, .key = LimitKey::endpoint}};
  int n = 0;
  while (n < 10 && !w.take("e", limits, person("ana"), Steady::time_point(seconds(1000)))) ++n;
  EXPECT_EQ(n, 4);
}

TEST(Stats, CountByStatusAndTime) {
  EndpointStats s;
  s.record(200, std::chrono::microseconds(1000));
  s.record(200, std::chrono::microseconds(1001));
  s.record(404, std::chrono::microseconds(40'000));
  s.record(503, std::chrono::microseconds(60'000'000));
  EXPECT_EQ(s.requests, 4);
  EXPECT_EQ(s.client_errors, 1);
  EXPECT_EQ(s.server_errors, 1);
  EXPECT_EQ(s.buckets[0], 1) << "1 ms is at most 1 ms";
  EXPECT_EQ(s.buckets[1], 1);
  EXPECT_EQ(s.buckets[5], 1);
  EXPECT_EQ(s.buckets[EndpointStats::kBounds.size()], 1) << "beyond all bounds";
  EXPECT_EQ(s.total_us, 60'042'001);
}

}  // namespace
}  // namespace tarn::serving
