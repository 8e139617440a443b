#pragma once
// Names of securables and storage URLs: what is allowed, how they are folded, when two URLs overlap. Pure functions.
#include <string>
#include <string_view>
#include <vector>

#include "catalog/catalog.h"

namespace tarn::catalog {

/// Checks a securable's own name and folds it to lower case (names compare without case; the vendor stores lower case). Refused: empty,
/// more than 255 characters, periods, slashes, spaces, control characters, broken UTF-8. `rpc` and `field` name the culprit in the message.
Result<std::string> checked_name(std::string_view name, std::string_view rpc, std::string_view field);
/// The same rules for names that are not part of SQL (metastores), where spaces, periods and case stay.
Result<std::string> checked_title(std::string_view name, std::string_view rpc, std::string_view field);

/// Lower case, character by character (UTF-8); broken bytes stay.
std::string folded(std::string_view name);

/// The parts of a dotted full name, folded; `parts` many or an error that names the value.
Result<std::vector<std::string>> split_name(std::string_view full_name, std::size_t parts, std::string_view what);

/// A storage URL in its one spelling: s3://bucket/path without a closing slash. s3a:// is accepted. Refused: other schemes, no bucket, empty or
/// dotted segments, control characters, wildcards, query parts.
Result<std::string> checked_url(std::string_view url, std::string_view rpc, std::string_view field);

/// A checked URL as the caller wrote its end: with the closing slash, if there was one (clients compare what they get with what they sent).
std::string as_written(std::string checked, std::string_view written);
/// Without closing slashes.
std::string_view bare(std::string_view url);

/// Whether `inner` is `outer` or lies below it, by path segments (both as checked_url spells them).
bool contains(std::string_view outer, std::string_view inner);

}  // namespace tarn::catalog
