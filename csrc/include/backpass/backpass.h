// All of backpass.
#pragma once

#include "backpass/averages.h"
#include "backpass/checkpoint.h"
#include "backpass/data.h"
#include "backpass/file_error.h"
#include "backpass/graph.h"
#include "backpass/interrupt.h"
#include "backpass/layers.h"
#include "backpass/losses.h"
#include "backpass/machine.h"
#include "backpass/network.h"
#include "backpass/optimizers.h"
#include "backpass/penalties.h"
#include "backpass/plan.h"
#include "backpass/schedules.h"
#include "backpass/trainer.h"
#include "backpass/watchers.h"
