#pragma once
// A server's folder: what is in it, who may read it, and the names that a server keeps over its restarts.
#include <string>

#include "store/store.h"

namespace tarn::app {

/// Makes the folder and its parts, for this user only; answers its canonical path. Throws std::runtime_error with what stands in the way.
std::string prepared(const std::string& folder);

/// The account of a store: made with the first server, the same for ever.
std::string account_of(store::Store& store);

/// A name for this data folder that outlives its servers: whose unfinished statements a start takes up. Servers that share a store differ.
std::string server_of(const std::string& data);

/// Empty if it cannot be read.
std::string whole_file(const std::string& path);

/// Written whole or not at all, readable by the owner only. Throws std::runtime_error.
void write_private(const std::string& path, const std::string& text);

}  // namespace tarn::app
