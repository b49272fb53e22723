# ruff: noqa: SIM905
# fmt: off
"""The lexicon of the generated part of the corpus: plain words, grouped by what a sentence can do with them.

Written for this project. Tuples, so that a seed alone decides what is drawn.
"""

GIRLS = tuple(
    "Anna Mia Lily Sara Emma Nora Clara Ruth Ella Grace Ivy Rosa Lucy Hannah Maya Zoe Amy Julia Alice Eva Molly Nina "
    "Olga Priya Fatima Leila Keiko Ingrid Carmen Bella Diana Helen Iris Joan Kate Laura Mary Olivia Paula Rita Sofia "
    "Tina Vera Wendy Yara Agnes Beth Chloe Daisy Edith Freya Gina Heidi Jana Kira Lena Mona Naomi Petra Stella".split()
)
BOYS = tuple(
    "Tom Ben Max Leo Sam Jack Noah Finn Oscar Paul Peter Adam David Erik Felix George Henry Ivan James Karl Liam "
    "Mark Nick Omar Pablo Ravi Simon Theo Victor Walter Yusuf Zack Alan Bruno Chen Daniel Elias Frank Gustav Hugo "
    "Igor Jonas Kofi Luis Martin Nils Otto Philip Robert Stefan Tariq Uwe Vincent William Anton Boris Carl Dmitri "
    "Edgar".split()
)
SURNAMES = tuple(
    "Miller Baker Carter Fisher Hill Lake Stone Wood Brown Green White Black King Young Cook Hunter Mason Parker "
    "Potter Shepherd Taylor Turner Walker Weaver Berg Lund Novak Rossi Silva Costa Moreau Dubois Schmidt Weber "
    "Wagner Meyer Khan Patel Singh Tanaka Sato Kim Lee Chen Wang Nguyen Okafor Mensah Diallo Haddad Cohen Levi "
    "Santos Garcia".split()
)
KIND_ADJECTIVES = tuple(
    "kind brave clever curious shy cheerful quiet young old friendly lazy careful proud busy".split()
)
HOMES = (
    "a small house", "a tall house", "a white cottage", "a flat above a bakery", "a wooden cabin", "an old farmhouse",
    "a little boat", "a red brick house", "a room under the roof", "a stone tower",
)
PLACES = (
    "the river", "the forest", "the park", "the market", "the school", "the library", "the beach", "the lake",
    "the station", "the village square", "the harbour", "the museum", "the garden", "the farm", "the bridge",
    "the hill", "the bakery", "the church", "the playground", "the old mill", "the castle", "the zoo", "the mountain",
    "the field",
)
TOWNS = tuple(
    "Northam Millbrook Redhill Westport Lakewood Eastfield Greendale Stonebridge Fairview Oakham Ashford Riverton "
    "Brookside Hillcrest Marlow Kingsford Seaton Woodend Longview Silverton".split()
)
COUNTRIES = (
    ("France", "Paris"), ("Germany", "Berlin"), ("Italy", "Rome"), ("Spain", "Madrid"), ("Japan", "Tokyo"),
    ("China", "Beijing"), ("India", "New Delhi"), ("Egypt", "Cairo"), ("Kenya", "Nairobi"), ("Norway", "Oslo"),
    ("Sweden", "Stockholm"), ("Finland", "Helsinki"), ("Denmark", "Copenhagen"), ("Poland", "Warsaw"),
    ("Austria", "Vienna"), ("Greece", "Athens"), ("Portugal", "Lisbon"), ("Ireland", "Dublin"), ("Russia", "Moscow"),
    ("Canada", "Ottawa"), ("Brazil", "Brasília"), ("Argentina", "Buenos Aires"), ("Chile", "Santiago"),
    ("Peru", "Lima"), ("Mexico", "Mexico City"), ("Cuba", "Havana"), ("Australia", "Canberra"), ("Turkey", "Ankara"),
    ("Hungary", "Budapest"), ("Ghana", "Accra"), ("Nigeria", "Abuja"), ("Thailand", "Bangkok"), ("Belgium", "Brussels"),
)
OBJECTS = tuple(
    "ball kite book hat scarf key lamp umbrella basket box bell drum flute clock watch ring coin map mirror bag cup "
    "bottle spoon blanket pillow chair ladder rope bucket brush pencil notebook letter candle toy boat bicycle cart "
    "wheel coat shoe glove doll puzzle camera telescope suitcase whistle guitar violin vase picture stone shell "
    "feather button ribbon hammer kettle lantern necklace painting phone radio sled tent wallet".split()
)
MATERIALS = tuple("wooden plastic metal paper glass leather woollen silver golden iron stone cotton".split())
COLOURS = tuple("red blue green yellow white black brown orange purple pink grey silver".split())
SIZES = tuple("small big tiny large little huge".split())
QUALITIES = tuple("new old shiny pretty heavy light soft broken dusty strange warm beautiful useful cheap fine".split())
SPOTS = (
    "under the bed", "behind the door", "on the table", "in the kitchen", "in the cupboard", "under a tree",
    "behind the sofa", "on the shelf", "in the garden", "near the gate", "in a drawer", "on the roof", "in the shed",
    "under the bench", "next to the well", "in the cellar", "behind a big rock", "on the window sill", "in the hall",
)
FOODS = tuple(
    "bread soup rice cheese cake honey fish salad pasta porridge pie jam milk tea coffee juice butter yoghurt "
    "chocolate ice-cream pancakes biscuits noodles stew".split()
)
FRUITS = tuple("apple pear plum cherry peach orange lemon banana grape melon strawberry mango fig lime apricot".split())
VEGETABLES = tuple("carrot potato onion tomato cabbage bean pea pumpkin leek spinach turnip cucumber".split())
ANIMALS = tuple(
    "dog cat horse cow sheep goat pig hen duck goose rabbit mouse fox bear wolf deer owl crow frog turtle squirrel "
    "hedgehog donkey lion elephant monkey tiger camel swan bee".split()
)
ANIMAL_FACTS = (
    # animal, young, home, food, sound
    ("dog", "puppy", "kennel", "meat", "bark"), ("cat", "kitten", "basket", "fish", "meow"),
    ("cow", "calf", "barn", "grass", "moo"), ("horse", "foal", "stable", "hay", "neigh"),
    ("sheep", "lamb", "fold", "grass", "bleat"), ("hen", "chick", "coop", "grain", "cluck"),
    ("pig", "piglet", "sty", "almost anything", "grunt"), ("duck", "duckling", "pond", "water plants", "quack"),
    ("lion", "cub", "den", "meat", "roar"), ("bear", "cub", "cave", "fish and berries", "growl"),
    ("frog", "tadpole", "pond", "insects", "croak"), ("bee", "larva", "hive", "nectar", "buzz"),
    ("goat", "kid", "shed", "leaves", "bleat"), ("rabbit", "kit", "burrow", "grass", "squeak"),
    ("owl", "owlet", "hollow tree", "mice", "hoot"), ("mouse", "pup", "hole", "grain", "squeak"),
    ("wolf", "pup", "den", "meat", "howl"), ("fox", "cub", "den", "small animals", "bark"),
)
JOBS = (
    # who, what they do, where
    ("baker", "bakes bread", "in a bakery"), ("teacher", "teaches children", "in a school"),
    ("doctor", "helps people who are ill", "in a hospital"), ("farmer", "grows food", "on a farm"),
    ("pilot", "flies planes", "at an airport"), ("nurse", "looks after patients", "in a hospital"),
    ("cook", "prepares meals", "in a restaurant"), ("gardener", "takes care of plants", "in a garden"),
    ("tailor", "makes clothes", "in a workshop"), ("carpenter", "builds things from wood", "in a workshop"),
    ("librarian", "lends books", "in a library"), ("postman", "delivers letters", "in the streets of a town"),
    ("fisherman", "catches fish", "at sea"), ("painter", "paints walls and pictures", "in a studio"),
    ("clerk", "helps customers", "in an office"), ("cashier", "takes payments", "in a shop"),
    ("driver", "drives a bus", "on the road"), ("judge", "decides cases", "in a court"),
    ("plumber", "repairs pipes", "in people's homes"), ("barber", "cuts hair", "in a small shop"),
)
USES = (
    ("knife", "cutting"), ("pen", "writing"), ("broom", "sweeping the floor"), ("key", "opening a lock"),
    ("umbrella", "keeping dry in the rain"), ("clock", "telling the time"), ("cup", "drinking"), ("bed", "sleeping"),
    ("oven", "baking"), ("ladder", "reaching high places"), ("telescope", "looking at the stars"),
    ("hammer", "driving nails"), ("needle", "sewing"), ("lamp", "lighting a room"), ("phone", "talking to people"),
    ("boat", "travelling on water"), ("wallet", "carrying money"), ("map", "finding the way"), ("soap", "washing"),
    ("camera", "taking pictures"), ("fridge", "keeping food cold"), ("scissors", "cutting paper"),
    ("calendar", "keeping track of the days"), ("stamp", "sending a letter"), ("scale", "weighing things"),
)
COLOUR_FACTS = (
    ("grass", "green"), ("snow", "white"), ("the sky on a clear day", "blue"), ("a ripe banana", "yellow"),
    ("a tomato", "red"), ("coal", "black"), ("milk", "white"), ("a carrot", "orange"), ("an elephant", "grey"),
    ("a lemon", "yellow"), ("chocolate", "brown"), ("blood", "red"), ("a crow", "black"), ("the sun", "yellow"),
)
OPPOSITES = (
    ("hot", "cold"), ("big", "small"), ("old", "young"), ("fast", "slow"), ("high", "low"), ("open", "closed"),
    ("full", "empty"), ("happy", "sad"), ("rich", "poor"), ("wet", "dry"), ("early", "late"), ("light", "dark"),
    ("strong", "weak"), ("hard", "soft"), ("long", "short"), ("near", "far"), ("clean", "dirty"), ("loud", "quiet"),
    ("cheap", "expensive"), ("easy", "difficult"), ("first", "last"), ("right", "wrong"), ("up", "down"),
    ("inside", "outside"), ("buy", "sell"), ("begin", "end"), ("give", "take"), ("win", "lose"), ("push", "pull"),
    ("remember", "forget"), ("arrive", "leave"), ("borrow", "lend"), ("save", "spend"), ("accept", "refuse"),
)
CATEGORIES = (
    ("fruit", FRUITS), ("vegetable", VEGETABLES), ("animal", ANIMALS), ("colour", COLOURS[:11]),
    ("tool", ("hammer", "saw", "drill", "spade", "rake", "axe", "screwdriver", "pair of pliers")),
    ("piece of furniture", ("table", "chair", "sofa", "bed", "cupboard", "desk", "shelf", "bench")),
    ("musical instrument", ("guitar", "violin", "drum", "flute", "piano", "trumpet", "harp", "cello")),
    ("vehicle", ("car", "bus", "train", "bicycle", "boat", "plane", "tram", "lorry")),
    ("piece of clothing", ("coat", "hat", "shirt", "skirt", "scarf", "sock", "glove", "jacket")),
    ("drink", ("tea", "coffee", "water", "milk", "juice", "lemonade", "cocoa")),
    ("sport", ("football", "tennis", "swimming", "running", "hockey", "rowing", "skiing")),
    ("season", ("spring", "summer", "autumn", "winter")),
    ("metal", ("iron", "gold", "silver", "copper", "lead", "tin")),
)
MASS_CATEGORIES = frozenset({"colour", "drink", "sport", "season", "metal"})
DAYS = tuple("Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split())
MONTHS = tuple("January February March April May June July August September October November December".split())
NUMBERS = tuple("zero one two three four five six seven eight nine ten eleven twelve".split())
FEELINGS = (
    ("happy", "the sun was shining"), ("sad", "it was time to say goodbye"), ("tired", "the day had been long"),
    ("proud", "everything had gone well"), ("angry", "nobody had listened"), ("scared", "it was very dark"),
    ("surprised", "nobody had expected it"), ("thankful", "a friend had helped"), ("bored", "there was nothing to do"),
    ("excited", "the holidays were near"), ("calm", "all the work was done"), ("worried", "it was getting late"),
)
VERBS = (
    # base, past, third person, ing, what follows
    ("walk", "walked", "walks", "walking", "to the shop"), ("read", "read", "reads", "reading", "a long book"),
    ("write", "wrote", "writes", "writing", "a letter"), ("buy", "bought", "buys", "buying", "a new coat"),
    ("eat", "ate", "eats", "eating", "an apple"), ("drink", "drank", "drinks", "drinking", "a cup of tea"),
    ("play", "played", "plays", "playing", "in the garden"), ("clean", "cleaned", "cleans", "cleaning", "the kitchen"),
    ("sing", "sang", "sings", "singing", "a song"), ("open", "opened", "opens", "opening", "the window"),
    ("close", "closed", "closes", "closing", "the door"), ("help", "helped", "helps", "helping", "the neighbours"),
    ("call", "called", "calls", "calling", "a friend"), ("send", "sent", "sends", "sending", "the parcel"),
    ("pay", "paid", "pays", "paying", "the bill"), ("bring", "brought", "brings", "bringing", "the keys"),
    ("take", "took", "takes", "taking", "the early train"), ("find", "found", "finds", "finding", "a coin"),
    ("lose", "lost", "loses", "losing", "the ticket"), ("make", "made", "makes", "making", "a plan"),
    ("build", "built", "builds", "building", "a small bridge"), ("paint", "painted", "paints", "painting", "the fence"),
    ("learn", "learned", "learns", "learning", "a new language"), ("carry", "carried", "carries", "carrying", "a box"),
    ("sell", "sold", "sells", "selling", "old books"), ("visit", "visited", "visits", "visiting", "the museum"),
    ("wash", "washed", "washes", "washing", "the dishes"), ("feed", "fed", "feeds", "feeding", "the birds"),
    ("water", "watered", "waters", "watering", "the flowers"), ("fix", "fixed", "fixes", "fixing", "the radio"),
    ("order", "ordered", "orders", "ordering", "a pizza"), ("check", "checked", "checks", "checking", "the list"),
    ("sign", "signed", "signs", "signing", "the form"), ("cancel", "cancelled", "cancels", "cancelling", "the order"),
    ("return", "returned", "returns", "returning", "the shoes"), ("book", "booked", "books", "booking", "a room"),
    ("change", "changed", "changes", "changing", "the address"), ("keep", "kept", "keeps", "keeping", "the receipt"),
    ("go", "went", "goes", "going", "to the bank"), ("wait", "waited", "waits", "waiting", "for the bus"),
)
TIMES = (
    "in the morning", "in the evening", "after lunch", "before dinner", "on Monday", "on Sunday", "at noon",
    "every day", "in the afternoon", "at night", "after school", "before work", "on Friday", "in spring", "in winter",
)
PAST_TIMES = (
    "yesterday", "last week", "this morning", "one evening", "on a cold day", "one day", "last summer", "on Sunday",
    "early in the morning", "after lunch", "late in the afternoon", "on a rainy day", "one winter morning",
)
SKILLS = (
    "to swim", "to ride a bicycle", "to play the guitar", "to bake bread", "to draw horses", "to read music",
    "to juggle", "to speak French", "to dance", "to sew", "to climb trees", "to play chess", "to skate", "to cook soup",
)
FEARS = ("the dark", "big dogs", "thunder", "deep water", "high places", "spiders", "loud noises", "strangers", "bees")
CHORES = (
    "carry the shopping", "paint the fence", "sweep the yard", "feed the hens", "wash the windows", "chop the wood",
    "move a heavy table", "pick the apples", "clean the attic", "water the plants", "repair the roof",
)
