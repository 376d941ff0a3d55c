/* The words of synthetic prompts: common ones of four letters, which most tokenizers know as one
 * token each when a blank stands in front, so that a number of words is nearly a number of tokens.
 * All have the same length, so that gateways that count bytes are right as well, and 256 of them
 * make a word worth a random byte. */
#include "words.h"

const char words_text[WORDS_COUNT * WORDS_STRIDE + 1] =
    "able acid aged also area army away baby back ball band bank base bath "
    "bear beat been beer bell belt best bill bird blow blue boat body bomb "
    "bond bone book boom born boss both bowl bulk burn bush busy call calm "
    "came camp card care case cash cast cell chat chip city club coal coat "
    "code cold come cook cool cope copy core cost crew crop dark data date "
    "dawn days dead deal dean dear debt deep deny desk dial diet disc disk "
    "does done door dose down draw drew drop drug dual duke dust duty each "
    "earn ease east easy edge else even ever evil exit face fact fail fair "
    "fall farm fast fate fear feed feel feet fell felt file fill film find "
    "fine fire firm fish five flat flow food foot ford form fort four free "
    "from fuel full fund gain game gate gave gear gene gift girl give glad "
    "goal goes gold golf gone good gray grew grey grow gulf hair half hall "
    "hand hang hard harm hate have head hear heat held hell help here hero "
    "high hill hire hold hole holy home hope host hour huge hung hunt hurt "
    "idea inch into iron item jack join jump jury just keen keep kept kick "
    "kind king knee knew know lack lady laid lake land lane last late lead "
    "left less life lift like line link list live load loan lock logo long "
    "look lord lose loss lost love luck made mail main make male many mark "
    "mass meal mean meat ";
