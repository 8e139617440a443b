#pragma once
// What the launcher (tarn-sail) reads on its standard input: how to confine itself, and what to become then. Private to the room.
#include "base/json.h"

namespace tarn::sail {

struct Order {
  std::string home;                   // its own folder, writable: temporary files, results
  std::vector<std::string> readable;  // folders
  std::vector<std::string> command;   // an absolute program first
  std::map<std::string, std::string> environment;
};
BOOST_DESCRIBE_STRUCT(Order, (), (home, readable, command, environment))

}  // namespace tarn::sail
