#include "actors/supervisor/core/program_handover.h"

namespace stampede::actors {

void ProgramHandover::begin(Ms now) {
  stage_ = Stage::guard;
  since_ = now;
}

ProgramHandover::Step ProgramHandover::look(Ms now, const OtherProgram& left) {
  if (stage_ == Stage::guard) {
    if (left.guard && now - since_ < kGuardWithin) return Step::tell_guard;
    stage_ = left.nodes() ? Stage::webapps : Stage::over;
    since_ = now;
    return stage_ == Stage::webapps ? Step::end_webapps : Step::none;
  }
  if (stage_ == Stage::webapps) {
    if (left.webapps > 0 && now - since_ < kWebappsWithin) return Step::none;
    stage_ = Stage::kill;
  }
  if (stage_ != Stage::kill) return Step::none;
  if (left.nodes()) return Step::kill_nodes;
  stage_ = Stage::over;
  return Step::none;
}

}  // namespace stampede::actors
