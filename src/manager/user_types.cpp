// SPDX-License-Identifier: MIT
#include "manager/user_types.hpp"

#include <algorithm>
#include <mutex>
#include <typeinfo>

#include <cxxabi.h>

#include <polyproc/codec/decode_error.hpp>
#include <polyproc/os/error.hpp>

namespace polyproc::inline v0 {

namespace detail {

UserCall::~UserCall() = default;
UserMaker::~UserMaker() = default;

void UserType::encode(Encoder& out) const {
  out.write_text(name);
  out.write_count(maker ? 1 : 0);
  if (maker) maker->encode(out);
  out.write_count(methods.size());
  for (const auto& [method, call] : methods) {
    out.write_text(method);
    call->encode(out);
  }
}

UserType UserType::decode(Decoder& in) {
  UserType type{std::string(in.read_text()), nullptr, {}};
  if (in.read_count() != 0) type.maker = reinterpret_cast<DecodeUserMaker>(in.read_function())(in);
  for (std::uint64_t left = in.read_length(1); left > 0; --left) {
    std::string method(in.read_text());
    type.methods.emplace_back(std::move(method), reinterpret_cast<DecodeUserCall>(in.read_function())(in));
  }
  return type;
}

}  // namespace detail

namespace {

struct Registry {
  std::mutex lock;
  std::vector<std::shared_ptr<detail::UserType>> types;
};
Registry& registry() {
  static Registry& all = *new Registry();
  return all;
}

std::string class_of(const std::exception& error) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> name(
      abi::__cxa_demangle(typeid(error).name(), nullptr, nullptr, &status), &std::free);
  return status == 0 ? name.get() : typeid(error).name();
}

// What the user's code throws, as Python has it. Ours are told as they are.
[[noreturn]] void rethrow_users() {
  try {
    throw;
  } catch (const PythonError&) {
    throw;
  } catch (const DecodeError& error) {
    throw PythonError("TypeError",
                      fmt::format("the arguments are others than the method takes: {}", error.reason()));
  } catch (const std::exception& error) {
    throw PythonError("RuntimeError", fmt::format("{}: {}", class_of(error), error.what()));
  } catch (...) {
    throw PythonError("RuntimeError", "an exception that is none of std::exception's");
  }
}

class UserObject final : public SharedObject {
 public:
  UserObject(std::shared_ptr<const detail::UserType> type, std::shared_ptr<void> object) noexcept
      : type_(std::move(type)), object_(std::move(object)) {}

  std::optional<Answer> call(std::string_view method, Call& call) override {
    const auto found = std::find_if(type_->methods.begin(), type_->methods.end(),
                                    [&](const auto& each) { return each.first == method; });
    if (found == type_->methods.end()) throw_no_method(method);
    if (!call.arguments().keywords().empty())
      throw PythonError("TypeError", fmt::format("{}() takes no arguments by name", method));
    Writer result;
    try {
      const auto given = call.arguments().positional();
      found->second->run(object_.get(), to_pickle(Object::tuple({given.begin(), given.end()})), result);
    } catch (...) {
      rethrow_users();
    }
    return decode_any(result.bytes());
  }
  [[nodiscard]] std::string repr() const override { return fmt::format("<{} object>", type_->name); }

 private:
  std::shared_ptr<const detail::UserType> type_;
  std::shared_ptr<void> object_;
};

// The same object is shared under one number, however often a factory returns it.
class UserObjects {
 public:
  std::shared_ptr<SharedObject> of(const std::shared_ptr<const detail::UserType>& type,
                                   std::shared_ptr<void> object) {
    std::weak_ptr<SharedObject>& known = known_[object.get()];
    if (auto still = known.lock()) return still;
    auto made = std::make_shared<UserObject>(type, object);
    known = made;
    if (known_.size() >= most_) {
      std::erase_if(known_, [](const auto& each) { return each.second.expired(); });
      most_ = 2 * known_.size() + 16;
    }
    return made;
  }

 private:
  std::unordered_map<void*, std::weak_ptr<SharedObject>> known_;
  std::size_t most_ = 16;
};

}  // namespace

std::vector<std::shared_ptr<detail::UserType>> registered_types() {
  const std::lock_guard lock(registry().lock);
  return registry().types;
}

std::shared_ptr<detail::UserType> register_type(std::string name) {
  const std::lock_guard lock(registry().lock);
  for (const auto& each : registry().types)
    if (each->name == name)
      throw InvalidArgument(fmt::format("registering the type '{}': there is one of that name", name));
  return registry().types.emplace_back(
      std::make_shared<detail::UserType>(detail::UserType{std::move(name), nullptr, {}}));
}

void register_types(std::vector<detail::UserType> types) {
  const std::lock_guard lock(registry().lock);
  for (auto& type : types) {
    const bool known = std::any_of(registry().types.begin(), registry().types.end(),
                                   [&](const auto& each) { return each->name == type.name; });
    if (!known) registry().types.push_back(std::make_shared<detail::UserType>(std::move(type)));
  }
}

void add_user_types(ObjectTable& objects) {
  for (const auto& type : registered_types()) {
    SharedType shared{type->name, {}, {}};
    for (const auto& [method, call] : type->methods) shared.exposed.push_back(method);
    if (type->maker)
      shared.make = [type, known = std::make_shared<UserObjects>()](
                        const Arguments& arguments, ObjectTable&) -> std::shared_ptr<SharedObject> {
        if (!arguments.keywords().empty())
          throw PythonError("TypeError", fmt::format("{}() takes no arguments by name", type->name));
        try {
          const auto given = arguments.positional();
          auto object = type->maker->make(to_pickle(Object::tuple({given.begin(), given.end()})));
          if (!object)
            throw PythonError("RuntimeError", fmt::format("the factory of {} returns nothing", type->name));
          return known->of(type, std::move(object));
        } catch (...) {
          rethrow_users();
        }
      };
    objects.add_type(std::move(shared));
  }
}

}  // namespace polyproc::inline v0
