#pragma once
// tarn review serve | check | status | show | plan | drift: the merge requests' service, and its owner's questions to it. Exit code 0 done, 1 not.
namespace CLI {
class App;
}

namespace tarn::cli {

void add_review_verb(CLI::App& app, int& exit_code);

}  // namespace tarn::cli
