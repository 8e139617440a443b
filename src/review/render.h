#pragma once
// The one comment of a merge request, and the report of drift, as the forges' Markdown. Pure. Texts come masked; what a repository's code printed
// cannot leave its code block, mention anybody or hide what follows.
#include <string>

#include "review/records.h"

namespace tarn::review {

/// At most `most_bytes`: the longest plans are cut, and say so.
std::string comment_of(const RequestRecord& request, std::size_t most_bytes = 60'000);
std::string drift_report(const std::string& unit, const std::string& commit, const std::string& summary, const std::string& text,
                         std::size_t most_bytes = 60'000);

/// A code block whose fence is longer than any in the text.
std::string code_block(std::string_view text, std::string_view language);
/// Text for a place outside code: no markup, no mentions, one line.
std::string plain(std::string_view text);

}  // namespace tarn::review
