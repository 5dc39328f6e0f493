// Plans of recordings, found again by their structure.
#include "eager/cache.h"

#include <list>
#include <unordered_map>

#include "backpass/eager.h"

namespace backpass::eager {
namespace {

constexpr std::size_t kKept = 128;  // plans

// Those used last, found by a hash of their keys.
class Cache {
 public:
  std::shared_ptr<const Compiled> find(const Recording& recording, const GradientWish* wish) {
    const std::uint64_t hash = hash_of(recording.key);
    bool other_numbers = false;
    const auto [begin, end] = by_hash_.equal_range(hash);
    for (auto entry = begin; entry != end; ++entry) {
      const std::shared_ptr<const Compiled>& made = *entry->second;
      if (made->key != recording.key) continue;
      if (made->lifted || made->numbers == recording.numbers) {
        used_.splice(used_.begin(), used_, entry->second);
        return made;
      }
      other_numbers = true;
    }
    // May lead into Python, and so into this cache.
    std::shared_ptr<const Compiled> made = compiled(recording, wish, other_numbers);
    ++compiled_;
    used_.push_front(made);
    by_hash_.emplace(hash, used_.begin());
    if (used_.size() > kKept) drop();
    return made;
  }

  PlanInfo last() const { return used_.empty() ? PlanInfo() : used_.front()->function.plan(used_.front()->rows); }
  CacheInfo info() const { return {used_.size(), compiled_}; }

 private:
  using Used = std::list<std::shared_ptr<const Compiled>>;

  static std::uint64_t hash_of(const std::vector<std::uint64_t>& key) {
    std::uint64_t hash = 0;
    for (const std::uint64_t word : key) hash = (hash ^ word) * 0x9e3779b97f4a7c15 + (hash >> 29);
    return hash;
  }

  void drop() {
    const auto last = std::prev(used_.end());
    std::erase_if(by_hash_, [&](const auto& entry) { return entry.second == last; });
    used_.erase(last);
  }

  Used used_;
  std::unordered_multimap<std::uint64_t, Used::iterator> by_hash_;
  std::size_t compiled_ = 0;
};

Cache& cache() {
  static Cache* all = new Cache;  // never destroyed: functions of the host program may be in it
  return *all;
}

}  // namespace

std::shared_ptr<const Compiled> find_compiled(const Recording& recording, const GradientWish* wish) {
  return cache().find(recording, wish);
}

CacheInfo cache_info() { return cache().info(); }
PlanInfo last_plan() { return cache().last(); }

}  // namespace backpass::eager
