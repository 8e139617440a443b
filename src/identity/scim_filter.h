#pragma once
// SCIM filters and attribute paths (RFC 7644 sections 3.4.2.2 and 3.5.2): text to a tree, and the tree against a resource's values.
// Pure functions of text; nothing here knows where the values come from.
#include <functional>
#include <memory>

#include "identity/errors.h"

namespace tarn::identity::scim {

enum class Op { eq, ne, co, sw, ew, pr, gt, ge, lt, le };

/// One node: a comparison, a logical operation on one or two nodes, or a filter on the parts of one attribute (emails[type eq "work"]).
struct Filter {
  enum class Type { compare, conjunction, disjunction, negation, element } type = Type::compare;
  std::string attribute;  // lower case, without a schema URN; of `element`, the multi-valued attribute
  Op op = Op::pr;
  std::string value;
  std::vector<Filter> parts;
};

/// The values of one attribute ("members", "members.display", "emails.value"), by lower-case path. Booleans are `true` and `false`.
using Values = std::function<std::vector<std::string>(std::string_view attribute)>;
/// The elements of a multi-valued attribute, each with its own Values (by sub-attribute).
using Elements = std::function<std::vector<Values>(std::string_view attribute)>;

/// Refuses with invalid_filter, naming the place. `known`: the attributes that may be asked.
Result<Filter> parse_filter(std::string_view text, const std::function<bool(std::string_view)>& known);
bool matches(const Filter& filter, const Values& values, const Elements& elements);
/// The value of a filter that is only `attribute eq "value"`: what an index can answer.
std::optional<std::string> only_equals(const Filter& filter, std::string_view attribute);

/// Where a PATCH operation points: attribute, elements of it, a part of them. All lower case.
struct Path {
  std::string attribute;
  std::optional<Filter> selector;
  std::string part;
};
Result<Path> parse_path(std::string_view text);

}  // namespace tarn::identity::scim
