// A plan of 10,000 objects, pure: YAML text -> configuration -> resources -> difference. Prints the median of five runs.
#include "platform/plan.h"

#include <cstdio>

int main() {
  using namespace tarn::platform;
  std::string yaml = "catalogs:\n";
  for (int c = 0; c < 100; ++c) {
    yaml += fmt::format("  - name: catalog_{}\n    schemas:\n", c);
    for (int s = 0; s < 49; ++s) yaml += fmt::format("      - {{name: schema_{}, comment: number {}}}\n", s, s);
  }
  std::vector<double> load_seconds, plan_seconds;
  std::size_t objects = 0;
  for (int run = 0; run < 5; ++run) {
    const auto begin = std::chrono::steady_clock::now();
    const auto loaded = load_texts({{"bench.yaml", yaml}});
    const auto desired = expand(loaded);
    if (!loaded.ok()) return 1;
    const auto middle = std::chrono::steady_clock::now();
    auto observed = desired;
    for (std::size_t i = 0; i < observed.size(); i += 10) observed[i].attributes["comment"] = "clicked";
    const auto plan = make_plan(desired, observed, "account");
    const auto end = std::chrono::steady_clock::now();
    if (plan.changes.empty()) return 1;
    objects = desired.size();
    load_seconds.push_back(std::chrono::duration<double>(middle - begin).count());
    plan_seconds.push_back(std::chrono::duration<double>(end - middle).count());
  }
  std::sort(load_seconds.begin(), load_seconds.end());
  std::sort(plan_seconds.begin(), plan_seconds.end());
  std::printf("| plan of %zu objects: read YAML %.3f s, plan %.3f s | %.3f s | 1 s |\n", objects, load_seconds[2], plan_seconds[2],
              load_seconds[2] + plan_seconds[2]);
}
