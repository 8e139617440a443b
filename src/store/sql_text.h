#pragma once
// What both SQL backends compute alike. Private to this room.
#include <string>
#include <string_view>

#include "store/store.h"

namespace tarn::store {

/// The least string above every string with this prefix; empty when there is none.
std::string prefix_end(std::string_view prefix);

/// Well-formed UTF-8 without NUL: all that PostgreSQL holds as text. What is not, no record can be named or found by.
bool valid_text(std::string_view text);

/// An audit row's body back as the event. Throws std::logic_error for a row that this program did not write.
AuditEvent audit_event(const std::string& body);

}  // namespace tarn::store
