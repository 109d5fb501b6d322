// SPDX-License-Identifier: MIT
// Everything a program needs, in one include.
#pragma once

#include <polyproc/arena/arena.hpp>
#include <polyproc/channel/connection.hpp>
#include <polyproc/channel/queue.hpp>
#include <polyproc/codec/codec.hpp>
#include <polyproc/codec/object.hpp>
#include <polyproc/codec/remote_error.hpp>
#include <polyproc/os/config.hpp>
#include <polyproc/os/deadline.hpp>
#include <polyproc/os/diagnostics.hpp>
#include <polyproc/os/error.hpp>
#include <polyproc/pool/pool.hpp>
#include <polyproc/process/context.hpp>
#include <polyproc/process/current.hpp>
#include <polyproc/process/exit.hpp>
#include <polyproc/process/init.hpp>
#include <polyproc/process/process.hpp>
#include <polyproc/process/start_method.hpp>
#include <polyproc/process/transfer.hpp>
#include <polyproc/shared/array.hpp>
#include <polyproc/shared/value.hpp>
#include <polyproc/sync/barrier.hpp>
#include <polyproc/sync/condition.hpp>
#include <polyproc/sync/event.hpp>
#include <polyproc/sync/lock.hpp>
#include <polyproc/sync/semaphore.hpp>
#include <polyproc/sync/shared_lock.hpp>
#include <polyproc/sync/wait.hpp>
#include <polyproc/sync/watcher.hpp>
