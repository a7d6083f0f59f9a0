"""Sentences written for this purpose, which show the 8-bit model how large its activations are.

Plain English of many kinds: statements, questions, headlines, requests, numbers, names, speech with its fillers, other
scripts, and paragraphs long enough to reach the model's last positions.
"""

SENTENCES = (
    "Hi there",
    "yes",
    "Uh-huh, yeah, right.",
    "Thank you very much, I really appreciate it.",
    "What?",
    "A woman is slicing an onion in the kitchen.",
    "Two dogs run along the beach behind a boy with a red kite.",
    "The plane lands on a wet runway at night.",
    "Someone is playing the violin on stage.",
    "A man in a yellow jacket repairs the roof of a small house.",
    "Children are jumping into the lake from a wooden pier.",
    "The cat is asleep on the radiator.",
    "A cyclist overtakes a bus on the left side of the road.",
    "Is there any way to see my balance without the app?",
    "I lost my password and the reset link never arrives.",
    "Please cancel the order I placed yesterday at 14:35.",
    "Why does the machine refuse my card abroad?",
    "How long does a bank transfer to Norway take?",
    "My parcel was delivered to the wrong address, what now?",
    "Can you tell me which documents I need to open an account for my daughter?",
    "Central bank leaves interest rates unchanged for a third month",
    "Storm warnings issued for the northern coast as winds reach 120 km/h",
    "Parliament votes 312 to 289 in favour of the pension bill",
    "Champions beaten 3-1 at home; coach resigns within the hour",
    "Researchers find water ice in the shadows of a lunar crater",
    "Shares of the chip maker fell 7.4 percent after its forecast disappointed investors.",
    "Unemployment rose to 5.2 % in the second quarter, the highest figure since 2016.",
    "The minister said on Tuesday that the talks had failed, but that both sides would meet again in Geneva.",
    "Police are looking for witnesses to a collision near the old railway station.",
    "The vaccine was given to 30,000 volunteers, half of whom received a placebo.",
    "Boil the pasta for nine minutes, drain it and toss it with butter, sage and pepper.",
    "Hold the reset button for ten seconds until the light turns green.",
    "Add two tablespoons of sugar, then stir until it has dissolved.",
    "Turn left after the bridge; the entrance is opposite the bakery.",
    "x = 3y + 2, so the slope of the line is 3 and its intercept 2.",
    "def total(values): return sum(values) / len(values)",
    "ERROR 504: upstream did not answer within 30 s (request id 7f3a-99c1)",
    "SELECT name, price FROM products WHERE stock > 0 ORDER BY price DESC;",
    "https://example.org/articles/2021/04/how-to-grow-tomatoes?page=2",
    "The mitochondrion produces most of the cell's supply of adenosine triphosphate.",
    "A prime number has exactly two divisors, one and itself.",
    "Gravity pulls every mass towards every other, more strongly the nearer they are.",
    "The contract may be terminated by either party with three months' written notice.",
    "The defendant denies all charges and will appeal against the verdict.",
    "I don't think that she meant it that way, honestly.",
    "We are not going to win this by shouting at each other.",
    "No, no, no, let me finish, you have had your two minutes.",
    "This is the worst hotel I have ever stayed in: dirty, loud and far too expensive!",
    "Lovely little film, warm and funny, though the ending drags on a bit.",
    "The battery lasts for two days, which is more than the old model ever managed.",
    "It costs £3.50, about 4 €, at the café in the Königstraße.",
    "Größe, naïveté, jalapeño, smörgåsbord and déjà vu",
    "東京は日本の首都です。",
    "Москва - столица России.",
    "WOW!!! So happy :) :) see u l8r",
    "#travel #sunset best. day. ever. 😀",
    "unbelievably antidisestablishmentarianism pneumonoultramicroscopic",
    "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20",
    "Mr. J. R. Smith-Jones, 42 Elm St., Apt. 7B, Springfield, IL 62704, tel. (555) 010-4477",
    "The village lies at the end of a long valley, and in winter the only road to it is closed for weeks."
    " Those who stay cut wood in September, fill their cellars in October, and from the first heavy snow until"
    " the thaw in March they see nobody but each other. My grandmother used to say that one learns in such a"
    " winter what one's neighbours are worth, and that she would not have missed a single one of them.",
    "Our quarterly revenue grew by eleven percent to 84 million dollars, mainly because of higher demand for"
    " subscriptions in Asia. Operating costs rose more slowly, so that the margin improved from 17 to 19"
    " percent. We expect the growth to slow down in the second half of the year, since two large customers have"
    " postponed their orders, and we have therefore decided not to hire any more staff before the spring. The"
    " dividend stays at forty cents a share.",
    "Well, look, I mean, what we said at the time was that nobody, nobody, would lose the insurance they have,"
    " and that is still true. What the other side wants to do is take it away from you, take it away from"
    " people who are sick, who have a heart condition, who have diabetes, and they have no plan, they never had"
    " a plan. We have asked them for four years: show us the plan. And what do they say? It is coming, it is"
    " coming in two weeks. So let me say to you, at home: you know what is at stake here. It is about your"
    " health, about your job, about whether your kids can go back to school, and about whether the man in that"
    " office tells you the truth. I have been in that job for forty years, and I have worked with everybody,"
    " and I will work with everybody again, because that is how one gets things done. You do not get things"
    " done by calling people names. You get them done by sitting down, by listening, by giving a little and"
    " taking a little, and by remembering who sent you there. That is what I did in the past, that is what I"
    " will do again, and that is the whole difference between the two of us, my friend, the whole difference.",
    "Photosynthesis is the process by which plants, algae and some bacteria turn light into chemical energy."
    " In the leaf, pigments absorb photons and pass the energy on to reaction centres, where electrons are"
    " lifted to a higher level and handed down a chain of carriers; on the way protons are pumped across the"
    " thylakoid membrane, and their return drives the synthesis of ATP. A second stage, which needs no light,"
    " uses this ATP to fix carbon dioxide into sugars by the enzyme rubisco. Rubisco is slow and now and then"
    " takes oxygen instead of carbon dioxide, a mistake that costs the plant up to a quarter of its gain; maize"
    " and sugar cane avoid it by concentrating the gas in special cells.",
)
