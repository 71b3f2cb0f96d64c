/* SPDX-License-Identifier: GPL-2.0-only */
/* The kselftest harness, with time enough for a machine that does other work. */
#ifndef SELFTESTS_CORE_KTEST_H
#define SELFTESTS_CORE_KTEST_H

#include "kselftest_harness.h"

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	600

#endif
