#pragma once
// Shape checks of the account API's input. Each answers Errc::invalid with the field's name, the offending value and the rule.
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "account/settings.h"

namespace tarn::account::validate {

/// A name for people: 1 to `most` characters (code points), no control characters, not only blanks.
Result<void> name(std::string_view field, std::string_view value, std::size_t most = 256);
/// arn:aws:iam::<12 digits>:role/<path and name>; also the aws-us-gov and aws-cn partitions.
Result<void> role_arn(std::string_view field, std::string_view value);
/// The region of arn:aws:kms:<region>:<12 digits>:key/<id>.
Result<std::string> key_arn(std::string_view field, std::string_view value);
/// An S3 bucket name (general purpose bucket naming rules).
Result<void> bucket(std::string_view field, std::string_view value);
/// A cloud id with its prefix, e.g. vpc-, subnet-, sg-, vpce-, and up to 40 of [0-9a-z-].
Result<void> cloud_id(std::string_view field, std::string_view value, std::string_view prefix);
/// The same for a list, with its size limits and without repetition.
Result<void> cloud_ids(std::string_view field, const std::vector<std::string>& values, std::string_view prefix, std::size_t least, std::size_t most);
Result<void> region(std::string_view field, std::string_view value, const Settings& settings);
/// Tags as AWS takes them: up to 45 of the customer's, keys of 1 to 127 and values of 0 to 255 characters.
Result<void> tags(std::string_view field, const std::map<std::string, std::string>& tags);
/// A part of a host's first label: 1 to 63 of [a-z0-9-], neither starting nor ending with a hyphen.
Result<void> label(std::string_view field, std::string_view value);

}  // namespace tarn::account::validate
