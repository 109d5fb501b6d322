// SPDX-License-Identifier: MIT
#include "manager/user_types.hpp"

#include <algorithm>
#include <map>
#include <mutex>
#include <typeinfo>

#include <cxxabi.h>

#include <polyproc/codec/decode_error.hpp>
#include <polyproc/os/error.hpp>

namespace polyproc::inline v0 {

namespace detail {

UserCall::~UserCall() = default;
UserMaker::~UserMaker() = default;

const void* UserType::key() const noexcept {
  if (maker) return maker->makes();
  return methods.empty() ? nullptr : methods.front().second->owner();
}

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

// The types of a server, and what is shared there. The same object is shared under one number, however often it is returned.
class UserObjects : public std::enable_shared_from_this<UserObjects> {
 public:
  explicit UserObjects(std::vector<std::shared_ptr<detail::UserType>> types) noexcept
      : types_(std::move(types)) {}

  [[nodiscard]] std::shared_ptr<SharedObject> of(const std::shared_ptr<const detail::UserType>& type,
                                                 std::shared_ptr<void> object);
  // As one of the first type that is registered for its class. Throws PythonError.
  [[nodiscard]] Answer share(const void* key, std::shared_ptr<void> object) {
    for (const auto& type : types_)
      if (type->key() == key) return Answer(type->name, of(type, std::move(object)));
    throw PythonError("TypeError", "the method returns an object of a class that is not registered");
  }

 private:
  std::vector<std::shared_ptr<detail::UserType>> types_;
  std::map<std::pair<const detail::UserType*, void*>, std::weak_ptr<SharedObject>> known_;
  std::size_t most_ = 16;
};

class UserObject final : public SharedObject {
 public:
  UserObject(std::shared_ptr<UserObjects> all, std::shared_ptr<const detail::UserType> type,
             std::shared_ptr<void> object) noexcept
      : all_(std::move(all)), type_(std::move(type)), object_(std::move(object)) {}

  std::optional<Answer> call(std::string_view method, Call& call) override {
    const auto found = std::find_if(type_->methods.begin(), type_->methods.end(),
                                    [&](const auto& each) { return each.first == method; });
    if (found == type_->methods.end()) throw_no_method(method);
    if (!call.arguments().keywords().empty())
      throw PythonError("TypeError", fmt::format("{}() takes no arguments by name", method));
    Writer result;
    std::shared_ptr<void> shared;
    try {
      const auto given = call.arguments().positional();
      shared =
          found->second->run(object_.get(), to_pickle(Object::tuple({given.begin(), given.end()})), result);
    } catch (...) {
      rethrow_users();
    }
    if (const void* key = found->second->shares())
      return shared ? all_->share(key, std::move(shared)) : Object();
    return decode_any(result.bytes());
  }
  [[nodiscard]] std::string repr() const override { return fmt::format("<{} object>", type_->name); }

 private:
  std::shared_ptr<UserObjects> all_;
  std::shared_ptr<const detail::UserType> type_;
  std::shared_ptr<void> object_;
};

std::shared_ptr<SharedObject> UserObjects::of(const std::shared_ptr<const detail::UserType>& type,
                                              std::shared_ptr<void> object) {
  std::weak_ptr<SharedObject>& known = known_[{type.get(), object.get()}];
  if (auto still = known.lock()) return still;
  auto made = std::make_shared<UserObject>(shared_from_this(), type, std::move(object));
  known = made;
  if (known_.size() >= most_) {
    std::erase_if(known_, [](const auto& each) { return each.second.expired(); });
    most_ = 2 * known_.size() + 16;
  }
  return made;
}

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
  const auto types = registered_types();
  const auto all = std::make_shared<UserObjects>(types);
  for (const auto& type : types) {
    SharedType shared{type->name, {}, {}};
    for (const auto& [method, call] : type->methods) shared.exposed.push_back(method);
    if (type->maker)
      shared.make = [type, all](const Arguments& arguments, ObjectTable&) -> std::shared_ptr<SharedObject> {
        if (!arguments.keywords().empty())
          throw PythonError("TypeError", fmt::format("{}() takes no arguments by name", type->name));
        try {
          const auto given = arguments.positional();
          auto object = type->maker->make(to_pickle(Object::tuple({given.begin(), given.end()})));
          if (!object)
            throw PythonError("RuntimeError", fmt::format("the factory of {} returns nothing", type->name));
          return all->of(type, std::move(object));
        } catch (...) {
          rethrow_users();
        }
      };
    objects.add_type(std::move(shared));
  }
}

}  // namespace polyproc::inline v0
