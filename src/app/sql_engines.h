#pragma once
// The engines of SQL, wired: their programs beside this one, their part of the machine, their folders for what does not fit into memory.
#include "compute/node/agent.h"
#include "engine/engine.h"
#include "sail/sail.h"
#include "sql/engine_port.h"

namespace tarn::app {

struct SqlEngines {
  struct Ground {
    std::string data;     // the data folder
    std::string group;    // the control group of all engines; empty: none
    engine::Share least;  // of a process
    engine::Answerer answer;
  };
  explicit SqlEngines(const Ground& ground);

  std::unique_ptr<compute::node::ServerGroup> group;  // before the engines, which end first
  engine::Pool pool;
  sail::Pool sail;
  std::unique_ptr<sql::Engine> engine;

 private:
  std::function<void(int)> joined();
};

}  // namespace tarn::app
