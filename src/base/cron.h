#pragma once
// Quartz cron expressions in a time zone: when a schedule fires next. Pure; thread-safe.
// Fields: seconds minutes hours day-of-month month day-of-week [year]; `?` in exactly one of the two days; lists, ranges, steps, names, L, W, #.
// Zones are the system's tz database. A local time that the clocks skip does not fire that day; one that they repeat fires once.
// Source: Quartz "CronTrigger" documentation, which the schedules of jobs and alerts name.
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace tarn {

class TimeZone {
 public:
  /// By its name in the tz database (Europe/Berlin, UTC); nothing for one that is not there.
  static std::shared_ptr<const TimeZone> find(const std::string& name);
  /// Seconds east of UTC at a moment.
  std::int64_t offset_at(std::int64_t utc_seconds) const;
  /// The moment of a local time (seconds since the epoch as if it were UTC); nothing if the clocks skip it. The first of two.
  std::optional<std::int64_t> to_utc(std::int64_t local_seconds) const;

 private:
  std::vector<std::int64_t> starts_, offsets_;  // from starts_[i] on, offsets_[i]
  std::int64_t first_ = 0;                      // before all of them
};

class Cron {
 public:
  /// What is wrong with it, for people, or the schedule.
  static Expected<Cron, std::string> parse(const std::string& expression);
  /// The first moment after `after`; nothing if it never fires again (looked for over 12 years).
  std::optional<Millis> next(Millis after, const TimeZone& zone) const;

 private:
  bool day_matches(std::int64_t year, unsigned month, unsigned day) const;
  std::set<int> seconds_, minutes_, hours_, months_, years_;  // years_ empty: any
  // Days: plain numbers, and the special forms as (kind, number).
  struct Days {
    bool any = false;  // `?` or `*`
    bool question = false;
    std::set<int> plain;
    bool last = false, last_weekday = false;
    int last_minus = 0;
    std::set<int> nearest;                    // 15W
    std::set<int> last_of;                    // 6L: the last Friday
    std::vector<std::pair<int, int>> nth_of;  // 6#3: the third Friday
  };
  Days month_days_, week_days_;
};

}  // namespace tarn
