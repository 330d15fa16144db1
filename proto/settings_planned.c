/* settings_planned: the list of keys that are not built yet, each with what happens without it. */
#include "proto/settings_planned.h"

#include <assert.h>

static const struct setting_planned planned[] = {
    {"gateway.admin_token_file", "the admin port only tells and does nothing that needs a token"},
    {"gateway.limits.stream_state", "streams are relayed without being held"},
    {"routes[].model_map", "a model's name goes to the upstream as it came"},
    {"routes[].strict", "nothing is converted between formats"},
    {"routes[].on_content_loss", "nothing is converted between formats"},
    {"routes[].capabilities", "nothing is converted between formats"},
    {"routes[].disable_tools", "tools go to the upstream as they came"},
    {"capabilities", "nothing is converted between formats"},
    {"database.text_key_file", "texts are stored as they are"},
};

size_t settings_planned_count(void)
{
    return sizeof planned / sizeof planned[0];
}

const struct setting_planned *settings_planned_at(size_t index)
{
    assert(index < settings_planned_count());
    return &planned[index];
}

const struct setting_planned *settings_planned_find(struct bytes path)
{
    for (size_t index = 0; index < settings_planned_count(); index++) {
        if (bytes_equal(bytes_of(planned[index].path), path)) {
            return &planned[index];
        }
    }
    return NULL;
}
