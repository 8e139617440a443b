#include "base/cron.h"

#include <gtest/gtest.h>

namespace tarn {
namespace {

constexpr Millis kStart = 1'767'225'600'000;  // 2026-01-01T00:00:00Z, a Thursday

std::string next(const std::string& cron, const std::string& zone = "UTC", Millis after = kStart) {
  const auto c = Cron::parse(cron);
  if (!c) return "refused: " + c.error();
  const auto at = c->next(after, *TimeZone::find(zone));
  return at ? to_rfc3339(*at).substr(0, 19) : "never";
}

TEST(Cron, FindsTheNextMoment) {
  EXPECT_EQ(next("0 0 6 * * ?"), "2026-01-01T06:00:00");
  EXPECT_EQ(next("0 0 0 * * ?"), "2026-01-02T00:00:00");
  EXPECT_EQ(next("30 15 10 ? * MON-FRI"), "2026-01-01T10:15:30");
  EXPECT_EQ(next("0 0/20 * * * ?"), "2026-01-01T00:20:00");
  EXPECT_EQ(next("0 0 12 1/5 * ?"), "2026-01-01T12:00:00");
  EXPECT_EQ(next("0 0 12 ? * SUN"), "2026-01-04T12:00:00");
  EXPECT_EQ(next("0 0 12 L * ?"), "2026-01-31T12:00:00");
  EXPECT_EQ(next("0 0 12 L-3 * ?"), "2026-01-28T12:00:00");
  EXPECT_EQ(next("0 0 12 LW 2 ?"), "2026-02-27T12:00:00");
  EXPECT_EQ(next("0 0 12 15W 2 ?"), "2026-02-16T12:00:00");  // the 15th is a Sunday
  EXPECT_EQ(next("0 0 12 ? * 6L"), "2026-01-30T12:00:00");
  EXPECT_EQ(next("0 0 12 ? * 6#3"), "2026-01-16T12:00:00");
  EXPECT_EQ(next("0 0 0 29 2 ?"), "2028-02-29T00:00:00");
  EXPECT_EQ(next("0 0 12 1 1 ? 2030"), "2030-01-01T12:00:00");
  EXPECT_EQ(next("0 0 9 ? * FRI-MON"), "2026-01-02T09:00:00");
}

TEST(Cron, SaysWhatIsWrongAndWhatNeverFires) {
  EXPECT_EQ(next("0 0 12 31 2 ?"), "never");
  EXPECT_EQ(next("0 0 12 * * ? 2020"), "never");
  EXPECT_NE(next("0 0 12 * *").find("6 or 7 fields"), std::string::npos);
  EXPECT_NE(next("0 0 12 * * *").find("must be '?'"), std::string::npos);
  EXPECT_NE(next("0 0 12 ? * ?").find("must be '?'"), std::string::npos);
  EXPECT_NE(next("0 61 12 * * ?").find("'61' is not a value of the field minutes"), std::string::npos);
  EXPECT_NE(next("0 0 12 ? * FOO").find("'FOO'"), std::string::npos);
  EXPECT_NE(next("0 0 */0 * * ?").find("'*/0'"), std::string::npos);
  EXPECT_EQ(TimeZone::find("Europe/Atlantis"), nullptr);
  EXPECT_EQ(TimeZone::find("../../etc/passwd"), nullptr);
}

TEST(Cron, ObeysItsTimeZone) {
  EXPECT_EQ(next("0 0 6 * * ?", "Europe/Berlin"), "2026-01-01T05:00:00");
  EXPECT_EQ(next("0 0 6 * * ?", "America/New_York"), "2026-01-01T11:00:00");
  const Millis march = 1'774'699'200'000;  // 2026-03-28T12:00Z; Berlin goes to summer time on the 29th at 02:00
  EXPECT_EQ(next("0 0 6 * * ?", "Europe/Berlin", march), "2026-03-29T04:00:00");
  EXPECT_EQ(next("0 30 2 * * ?", "Europe/Berlin", march), "2026-03-30T00:30:00");  // the clocks skip 02:30 on the 29th
  const Millis october = 1'792'843'200'000;                                        // 2026-10-24T12:00Z; back on the 25th at 03:00
  EXPECT_EQ(next("0 30 2 * * ?", "Europe/Berlin", october), "2026-10-25T00:30:00");
  const Millis first = 1'792'888'200'000;  // that very moment: the repeated hour does not fire again
  EXPECT_EQ(next("0 30 2 * * ?", "Europe/Berlin", first), "2026-10-26T01:30:00");
}

}  // namespace
}  // namespace tarn
