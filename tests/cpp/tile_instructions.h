// The instructions of AMX on machines without them: a handler of SIGILL that decodes them and runs the model of tiles.
#pragma once

#include <signal.h>
#include <ucontext.h>

#include <cstdlib>

#include "kernel_testing.h"
#include "tile_model.h"

namespace backpass::kernels::testing {

// One instruction with a three-byte VEX prefix in opcode map 0f38, and the registers that it was met with.
class TileInstruction {
 public:
  explicit TileInstruction(ucontext_t& context) : registers_(context.uc_mcontext.gregs) {
    const auto* at = reinterpret_cast<const unsigned char*>(registers_[REG_RIP]);
    if (at[0] != 0xc4 || (at[1] & 0x1f) != 2) unknown();
    extension_ = ~at[1];
    prefix_ = at[2];
    opcode_ = at[3];
    rest_ = at + 4;
    mod_ = rest_[0] >> 6;
    reg_ = rest_[0] >> 3 & 7;
    rm_ = rest_[0] & 7;
    ++rest_;
  }

  void run() {
    const int kind = opcode_ << 4 | (prefix_ & 3);
    if (kind == 0x490 && mod_ == 3) {
      tile_model.release();
    } else if (kind == 0x490) {
      configure(reinterpret_cast<const unsigned char*>(address()));
    } else if (kind == 0x493) {
      tile_model.zero(reg_);
    } else if (kind == 0x4b3) {
      const auto* rows = reinterpret_cast<const void*>(address());
      tile_model.load(reg_, rows, index_);
    } else if (kind == 0x4b2) {
      auto* rows = reinterpret_cast<void*>(address());
      tile_model.store(reg_, rows, index_);
    } else if (kind == 0x5c2) {
      tile_model.dot(reg_, rm_, ~prefix_ >> 3 & 7);
    } else {
      unknown();
    }
    registers_[REG_RIP] = reinterpret_cast<greg_t>(rest_);
  }

 private:
  [[noreturn]] static void unknown() {
    std::printf("FAILED an instruction that is not of tiles\n");
    std::_Exit(1);
  }

  // Palette 1: eight tiles of 16 rows of 64 bytes.
  static void configure(const unsigned char* shapes) {
    bool good = shapes[0] == 1;
    for (int i = 1; i < 64; ++i) {
      const bool row_bytes = i >= 16 && i < 32 && i % 2 == 0, rows = i >= 48 && i < 56;
      good = good && shapes[i] == (row_bytes ? 64 : rows ? 16 : 0);
    }
    check(good, "the configuration of tiles");
    tile_model.configure();
  }

  // A general register by its number in an instruction.
  greg_t general(int number) const {
    static constexpr int kOrder[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                     REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
    return registers_[kOrder[number]];
  }

  // The address of the operand in memory; index_ is then what stands in the index register, the distance of rows.
  greg_t address() {
    int base = rm_;
    if (rm_ == 4) {
      const int sib = *rest_++, number = (sib >> 3 & 7) | (extension_ & 0x40 ? 8 : 0);
      base = sib & 7;
      if (number != 4) index_ = general(number) << (sib >> 6);
    }
    if (mod_ == 0 && base == 5) unknown();  // without a base, which no compiler needs here
    return general(base | (extension_ & 0x20 ? 8 : 0)) + displacement() + (opcode_ == 0x49 ? index_ : 0);
  }

  greg_t displacement() {
    std::int32_t far = 0;
    if (mod_ == 1) far = static_cast<signed char>(*rest_++);
    if (mod_ == 2) {
      std::memcpy(&far, rest_, sizeof far);
      rest_ += sizeof far;
    }
    return far;
  }

  greg_t* registers_;
  const unsigned char* rest_;
  int extension_, prefix_, opcode_, mod_, reg_, rm_;
  greg_t index_ = 0;
};

// Tiles work on this machine from now on, in every thread, if slowly.
inline void carry_out_tile_instructions() {
  struct sigaction action = {};
  action.sa_flags = SA_SIGINFO;
  action.sa_sigaction = [](int, siginfo_t*, void* context) {
    TileInstruction(*static_cast<ucontext_t*>(context)).run();
  };
  sigaction(SIGILL, &action, nullptr);
}

}  // namespace backpass::kernels::testing
